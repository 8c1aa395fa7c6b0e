//! Verifies, records, answers; nothing else.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::Serialize;

use super::record::{Recorded, Recorder};
use super::signature;
use crate::clock::{Clock, unix_ms};
use crate::config::Mode;
use crate::metrics::Metrics;
use crate::store::Payload;
use crate::store::inbox::NewEvent;
use crate::stripe::event::{Event, ObjectHead};

/// Larger bodies are answered 413. Stripe's events stay far below.
pub const BODY_LIMIT: usize = 1 << 20;

/// A body that takes longer is given up, and with it the connection.
const BODY_PATIENCE: Duration = Duration::from_secs(15);

/// The account of the path without a name.
const DEFAULT_ACCOUNT: &str = "main";

/// What the handler needs, shared by all workers.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// The accounts whose events are taken, by name.
    pub accounts: BTreeMap<String, Account>,
    /// Where events go.
    pub recorder: Recorder,
    /// What time it is.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// One Stripe account, as far as its webhooks are concerned.
#[derive(Clone)]
pub struct Account {
    /// Every secret that may sign now.
    pub webhook_secrets: Vec<SecretString>,
    /// Only events of this mode are taken.
    pub mode: Mode,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// Adds `POST /webhooks/stripe` and `/webhooks/stripe/{account}`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/webhooks/stripe")
            .service(web::resource("").route(web::post().to(receive_default)))
            .service(web::resource("/{account}").route(web::post().to(receive_named))),
    );
}

async fn receive_default(
    request: HttpRequest,
    receiver: web::Data<Receiver>,
    body: web::Payload,
) -> HttpResponse {
    counted(&request, &receiver, DEFAULT_ACCOUNT, body).await.into()
}

async fn receive_named(
    request: HttpRequest,
    receiver: web::Data<Receiver>,
    account: web::Path<String>,
    body: web::Payload,
) -> HttpResponse {
    counted(&request, &receiver, &account, body).await.into()
}

async fn counted(request: &HttpRequest, receiver: &Receiver, name: &str, body: web::Payload) -> Answer {
    let began = Instant::now();
    let metrics = &receiver.metrics;
    metrics.webhook_requests.inc();
    let answer = receive(request, receiver, name, body).await;
    match &answer {
        Answer::Taken(Recorded::New) => metrics.events_stored.inc(),
        Answer::Taken(Recorded::Duplicate) => metrics.events_duplicate.inc(),
        Answer::Refused(_, code, _) => metrics.webhooks_refused.with_label_values(&[*code]).inc(),
    }
    metrics.webhook_duration.took(began.elapsed());
    answer
}

/// The answer to Stripe. Stripe looks at the status; the rest is for the person who looks at the delivery attempts.
enum Answer {
    Taken(Recorded),
    Refused(StatusCode, &'static str, String),
}

async fn receive(request: &HttpRequest, receiver: &Receiver, name: &str, body: web::Payload) -> Answer {
    let Some(account) = receiver.accounts.get(name) else {
        return refuse(
            StatusCode::NOT_FOUND,
            "unknown_account",
            format!("no account `{name}` is configured"),
        );
    };
    let body = match tokio::time::timeout(BODY_PATIENCE, body.to_bytes_limited(BODY_LIMIT)).await {
        Ok(Ok(Ok(body))) => body,
        Ok(Ok(Err(error))) => return bad("body_unreadable", format!("the body could not be read: {error}")),
        Ok(Err(_too_large)) => {
            let detail = format!("the body is larger than {BODY_LIMIT} bytes");
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail);
        }
        Err(_elapsed) => {
            let detail = format!("the body did not arrive within {} seconds", BODY_PATIENCE.as_secs());
            return refuse(StatusCode::REQUEST_TIMEOUT, "body_too_slow", detail);
        }
    };
    let Some(header) = request.headers().get("Stripe-Signature") else {
        return bad("signature_missing", "there is no Stripe-Signature header".to_owned());
    };
    let now = receiver.clock.now();
    let header = header.to_str().unwrap_or_default();
    let verified = signature::verify(
        header,
        &body,
        &account.webhook_secrets,
        now.unix_timestamp(),
        Some(signature::TOLERANCE_SECONDS),
    );
    if let Err(invalid) = verified {
        tracing::warn!(account = name, reason = %invalid, "webhook refused");
        return bad("signature_invalid", invalid.to_string());
    }
    match read(name, account, &body, unix_ms(now)) {
        Err(answer) => {
            // The detail may quote what is in the event; it is in the answer.
            if let Answer::Refused(_, code, _) = &answer {
                tracing::warn!(account = name, reason = code, "webhook refused");
            }
            answer
        }
        Ok(event) => match receiver.recorder.record(event).await {
            Ok(recorded) => Answer::Taken(recorded),
            Err(error) => refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "not_stored",
                format!("{error}; please send it again"),
            ),
        },
    }
}

/// Reads as much of the event as decides whether it is taken.
fn read(name: &str, account: &Account, body: &[u8], received_at: i64) -> Result<NewEvent, Answer> {
    let event: Event<'_, ObjectHead<'_>> = serde_json::from_slice(body)
        .map_err(|error| bad("not_an_event", format!("the body is not a Stripe event: {error}")))?;
    let payload = std::str::from_utf8(body)
        .map_err(|error| bad("not_an_event", format!("the body is not UTF-8: {error}")))?;
    if event.object != "event" {
        let detail = format!("expected an event with its object (`event`), found `{}`", event.object);
        return Err(bad("not_an_event", detail));
    }
    let plain = |text: &str| {
        (1..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if !plain(&event.id) || !plain(&event.kind) {
        return Err(bad("not_an_event", "the event's id or type is not one of Stripe's".to_owned()));
    }
    let mode = if event.livemode { Mode::Live } else { Mode::Test };
    if mode != account.mode {
        let (is, wants) = (mode_name(mode), mode_name(account.mode));
        let detail = format!("this is a {is} event, and account `{name}` is configured with a {wants} key");
        return Err(bad("wrong_mode", detail));
    }
    Ok(NewEvent {
        account: name.to_owned(),
        event_id: event.id.into_owned(),
        event_type: event.kind.into_owned(),
        object_id: event.data.object.id.map(std::borrow::Cow::into_owned).filter(|id| !id.contains('\0')),
        created: event.created,
        received_at,
        payload: Payload::pack(payload),
    })
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Test => "test-mode",
        Mode::Live => "live-mode",
    }
}

fn bad(code: &'static str, detail: String) -> Answer {
    refuse(StatusCode::BAD_REQUEST, code, detail)
}

fn refuse(status: StatusCode, code: &'static str, detail: String) -> Answer {
    Answer::Refused(status, code, detail)
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        #[derive(Serialize)]
        struct Refusal {
            code: &'static str,
            detail: String,
        }
        match answer {
            Answer::Taken(Recorded::New) => {
                Self::Ok().content_type("application/json").body(r#"{"received":true}"#)
            }
            Answer::Taken(Recorded::Duplicate) => {
                Self::Ok().content_type("application/json").body(r#"{"received":true,"duplicate":true}"#)
            }
            Answer::Refused(status, code, detail) => Self::build(status).json(Refusal { code, detail }),
        }
    }
}
