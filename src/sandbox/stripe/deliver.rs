//! Deliveries: each event is sent to the service, freshly signed, until it is accepted.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::server::Shared;

/// How long the service may take for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest wait between two attempts; Stripe takes hours, a person at a laptop does not.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Where events go and in which manner.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) url: Option<String>,
    /// For the next round only.
    pub(super) twice: bool,
    pub(super) out_of_order: bool,
    pub(super) task: Option<JoinHandle<()>>,
}

impl Shared {
    pub(super) fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers every event that was not accepted yet, each once (or as the modes say).
pub(super) async fn pending(shared: &Shared) -> Vec<(String, u16)> {
    let (twice, out_of_order) = {
        let mut settings = shared.settings();
        (std::mem::take(&mut settings.twice), std::mem::take(&mut settings.out_of_order))
    };
    let mut ids: Vec<String> = waiting(shared).into_iter().map(|(id, _)| id).collect();
    if out_of_order {
        ids.reverse();
    }
    if twice {
        ids = ids.into_iter().flat_map(|id| [id.clone(), id]).collect();
    }
    let client = client();
    let mut statuses = Vec::with_capacity(ids.len());
    for id in ids {
        let status = one(shared, &client, &id).await;
        statuses.push((id, status));
    }
    statuses
}

/// Delivers one event, accepted before or not; 0 when nobody answered.
pub(super) async fn again(shared: &Shared, id: &str) -> u16 {
    one(shared, &client(), id).await
}

/// Starts the task that delivers events as they happen and tries again with backoff.
pub(super) fn in_background(shared: &Arc<Shared>) {
    let delivering = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let client = client();
        let mut due: HashMap<String, Instant> = HashMap::new();
        loop {
            let mut next: Option<Instant> = None;
            for (id, attempts) in waiting(&delivering) {
                let mut at = due.get(&id).copied();
                if at.is_none_or(|at| at <= Instant::now()) {
                    let status = one(&delivering, &client, &id).await;
                    at = (!(200..300).contains(&status)).then(|| Instant::now() + wait_after(attempts + 1));
                }
                match at {
                    None => due.remove(&id),
                    Some(at) => due.insert(id, at),
                };
                next = next.into_iter().chain(at).min();
            }
            let happened = delivering.happened.notified();
            match next {
                None => happened.await,
                Some(due) => {
                    // A new event or a due one, whichever comes first.
                    let _ = tokio::time::timeout_at(due, happened).await;
                }
            }
        }
    });
    if let Some(before) = shared.settings().task.replace(task) {
        before.abort();
    }
}

/// Half a second after the first attempt, then twice as long each time.
fn wait_after(attempts: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempts.saturating_sub(1).min(16));
    Duration::from_millis(500).saturating_mul(factor).min(LONGEST_WAIT)
}

/// Events not accepted yet, in order, with the attempts made.
fn waiting(shared: &Shared) -> Vec<(String, u32)> {
    if shared.settings().url.is_none() {
        return Vec::new();
    }
    let state = shared.state();
    state.events.waiting().map(|event| (event.id().to_owned(), event.attempts)).collect()
}

async fn one(shared: &Shared, client: &reqwest::Client, id: &str) -> u16 {
    let url = shared.settings().url.clone();
    let body = shared.state().events.find(id).map(|event| format!("{:#}", event.value));
    let (Some(url), Some(body)) = (url, body) else { return 0 };
    let at = shared.clock.now().unix_timestamp();
    let sent = client
        .post(url)
        .header("Content-Type", "application/json; charset=utf-8")
        .header("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("Stripe-Signature", signature(&shared.webhook_secret, at, body.as_bytes()))
        .body(body)
        .send()
        .await;
    let status = sent.map_or(0, |answer| answer.status().as_u16());
    shared.state().events.attempted(id, status);
    status
}

fn client() -> reqwest::Client {
    let builder =
        reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client without certificates of its own can be built")
}

/// The header that proves a body: HMAC-SHA256 with the whole secret over time, dot and raw body.
fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_equals_that_of_the_official_node_library() {
        let body = "{\n  \"id\": \"evt_19e7e3a7a88aca8ad2a48\",\n  \"object\": \"event\",\n  \"type\": \"payment_intent.succeeded\",\n  \"created\": 1791300000,\n  \"data\": {\n    \"object\": {\n      \"id\": \"pi_1\",\n      \"object\": \"payment_intent\",\n      \"amount\": 25000,\n      \"currency\": \"usd\"\n    }\n  }\n}";
        assert_eq!(
            signature("whsec_d4cd33552e8c89e05639b98997d1b0b6", 1_791_300_000, body.as_bytes()),
            "t=1791300000,v1=350a100afdb531aa86e6b6ad166d31e699d64c773b288a6028c3dac15ed3164b"
        );
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits: Vec<u64> =
            [1, 2, 3, 8, 100].map(|n| wait_after(n).as_millis().try_into().unwrap()).to_vec();
        assert_eq!(waits, [500, 1_000, 2_000, 60_000, 60_000]);
    }
}
