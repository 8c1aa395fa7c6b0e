//! Calls to others: how all of them leave, and how much of an answer is read.

use std::time::Duration;

use reqwest::Response;

/// Far more than Stripe or Salesforce ever answer; what is longer is not from them, or a mistake.
const MOST: usize = 64 << 20;

/// Makes a client whose calls end after `timeout`. A connection that was not used for `idle` is closed: when the other side does
/// that first, and a call leaves at that moment, nobody knows whether it was carried out.
pub fn client(
    timeout: Duration,
    connect_timeout: Duration,
    idle: Duration,
) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(idle)
        // Nobody we call redirects; following one would carry a key, an assertion or a session to somebody else.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("paybridge/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The body of an answer. It is cut off at 64 MiB, and then cannot be read as what it should be.
///
/// Errors: the connection ended before the body did.
pub async fn body(mut answer: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = MOST - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MOST {
            break;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn a_client(idle: Duration) -> reqwest::Client {
        client(PATIENCE, PATIENCE, idle).unwrap()
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n").unwrap();
            while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
        });
        let answer = a_client(PATIENCE).get(address).send().await.unwrap();
        assert_eq!(body(answer).await.unwrap().len(), MOST);
    }

    #[tokio::test]
    async fn a_connection_that_nobody_needs_is_closed_by_us_and_not_by_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let them = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.read(&mut [0]).unwrap()
        });
        let client = a_client(Duration::from_millis(50));
        let answer = client.get(address).send().await.unwrap();
        assert_eq!(body(answer).await.unwrap(), b"ok");
        assert_eq!(them.await.unwrap(), 0, "the end, and no further byte");
    }
}
