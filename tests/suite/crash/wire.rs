//! A way over the network that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections break, and no new one is made.
    Broken,
    /// They stand, and nothing comes through.
    Silent,
}

pub struct Wire {
    here: String,
    state: watch::Sender<State>,
    broken: Arc<AtomicUsize>,
}

impl Wire {
    /// To the stand-in at this address.
    pub async fn to(base_url: &str) -> Self {
        let there = base_url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        assert_eq!(here.len(), there.len());
        let (state, watched) = watch::channel(State::Whole);
        let broken = Arc::new(AtomicUsize::new(0));
        let (ends, counted) = ((here.clone(), there), Arc::clone(&broken));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (ends, mut state, counted) = (ends.clone(), watched.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let begun = *state.borrow_and_update();
                    tokio::select! {
                        () = carry(near, ends, begun) => {}
                        _ = state.wait_for(|now| *now != begun) => drop(counted.fetch_add(1, Ordering::SeqCst)),
                    }
                });
            }
        });
        Self { here, state, broken }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.here)
    }

    /// What is under way breaks. New connections are refused, or silent.
    pub fn cut(&self, silent: bool) {
        self.state.send_replace(if silent { State::Silent } else { State::Broken });
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }

    /// Connections that were cut or mended.
    pub fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }
}

/// Until one side has had enough. What the far end says of its own address is said of ours; both are equally long.
async fn carry(near: TcpStream, (here, there): (String, String), state: State) {
    match state {
        State::Broken => return,
        State::Silent => return std::future::pending().await,
        State::Whole => {}
    }
    let Ok(far) = TcpStream::connect(&there).await else { return };
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let answers = async {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(read @ 1..) = from_far.read(&mut buffer).await {
            let bytes = &mut buffer[..read];
            while let Some(at) = bytes.windows(there.len()).position(|part| part == there.as_bytes()) {
                bytes[at..at + here.len()].copy_from_slice(here.as_bytes());
            }
            if to_near.write_all(bytes).await.is_err() {
                return;
            }
        }
    };
    let questions = async {
        let _ended = tokio::io::copy(&mut from_near, &mut to_far).await;
        // An answer may still come.
        let _ended = to_far.shutdown().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answers => {}
        () = questions => {}
    }
}
