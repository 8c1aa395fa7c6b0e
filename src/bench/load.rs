//! The load: a small HTTP/1.1 client on one thread, so that it takes little of the machine from what it measures.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Connections that stay open through a round, as those of Stripe's senders do.
const CONNECTIONS: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Each connection sends when its last request was answered.
    AsAnswered,
    /// So many a second begin, answered or not.
    PerSecond(u32),
}

/// What a round came to.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) per_second: f64,
    /// How many were answered 503 and sent again.
    pub(super) refused: usize,
    /// Sorted.
    times: Vec<Duration>,
}

impl Answers {
    /// The time within which this share of the requests was answered, in milliseconds.
    pub(super) fn within_ms(&self, percent: usize) -> f64 {
        let last = self.times.len() - 1;
        self.times[(self.times.len() * percent / 100).min(last)].as_secs_f64() * 1_000.0
    }
}

/// Sends all `requests`, which must not be none, and waits for the last answer.
///
/// Errors: an answer other than 2xx.
pub(super) async fn send(address: SocketAddr, requests: &Arc<[Vec<u8>]>, pace: Pace) -> io::Result<Answers> {
    let answers = send_until_taken(address, requests, pace).await?;
    match answers.refused {
        0 => Ok(answers),
        refused => Err(io::Error::other(format!("{refused} requests were answered 503"))),
    }
}

/// The same; what is answered 503 is sent again until it is taken, and its time counts from the first try.
pub(super) async fn send_until_taken(
    address: SocketAddr,
    requests: &Arc<[Vec<u8>]>,
    pace: Pace,
) -> io::Result<Answers> {
    let requests = Arc::clone(requests);
    let round = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(round(address, requests, pace))
    };
    tokio::task::spawn_blocking(round).await?
}

async fn round(address: SocketAddr, requests: Arc<[Vec<u8>]>, pace: Pace) -> io::Result<Answers> {
    let mut streams = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let senders: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(converse(stream, Arc::clone(&requests), Arc::clone(&next), begun, pace)))
        .collect();
    let (mut times, mut refused) = (Vec::with_capacity(requests.len()), 0);
    for sender in senders {
        let (of_one, refused_of_one) = sender.await??;
        times.extend(of_one);
        refused += refused_of_one;
    }
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    Ok(Answers { per_second, refused, times })
}

/// Takes the next request, and the next, until there is none. Gives how long each took, and how many were refused.
async fn converse(
    mut stream: TcpStream,
    requests: Arc<[Vec<u8>]>,
    next: Arc<AtomicUsize>,
    begun: Instant,
    pace: Pace,
) -> io::Result<(Vec<Duration>, usize)> {
    let (mut times, mut refused) = (Vec::new(), 0);
    let mut answer = Vec::with_capacity(1_024);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(number) else { return Ok((times, refused)) };
        let mut sent = Instant::now();
        if let Pace::PerSecond(rate) = pace {
            let due = begun + Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX) / rate;
            if due > sent {
                tokio::time::sleep_until(due.into()).await;
                sent = Instant::now();
            } else {
                // All connections were busy: the wait for one counts.
                sent = due;
            }
        }
        loop {
            stream.write_all(request).await?;
            answer.clear();
            while !is_whole(&answer) {
                if stream.read_buf(&mut answer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            if answer.starts_with(b"HTTP/1.1 2") {
                break;
            }
            if !answer.starts_with(b"HTTP/1.1 503 ") {
                return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
            }
            refused += 1;
        }
        times.push(sent.elapsed());
    }
}

/// Whether head and body are there; the service always says how long the body is.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let name = b"content-length: ";
    let length = answer[..head].windows(name.len()).position(|text| text == name).and_then(|at| {
        let digits = answer[at + name.len()..].split(|byte| *byte == b'\r').next()?;
        std::str::from_utf8(digits).ok()?.parse::<usize>().ok()
    });
    length.is_some_and(|length| answer.len() >= head + 4 + length)
}
