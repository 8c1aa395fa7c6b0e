//! Reads answers of others, but not without end.

use reqwest::Response;

/// Far more than Stripe or Salesforce ever answer; what is longer is not from them, or a mistake.
const MOST: usize = 64 << 20;

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
        let answer =
            reqwest::Client::builder().no_proxy().build().unwrap().get(address).send().await.unwrap();
        assert_eq!(body(answer).await.unwrap().len(), MOST);
    }
}
