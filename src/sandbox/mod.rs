//! Everything on one machine: the service with a stand-in for Stripe and one for Salesforce, over HTTP on loopback.
//!
//! The stand-ins share no code with the clients that talk to them; otherwise a mistake would be made twice and never seen.

pub mod faults;
pub mod keys;
pub mod salesforce;
pub mod stripe;

/// Looks again and again until it has happened. What has not in a minute never will.
#[cfg(test)]
async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !happened().await {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(std::time::Duration::from_secs(60), looking).await;
    assert!(seen.is_ok(), "waited in vain: {what}");
}
