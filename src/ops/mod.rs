//! What operators see and do: metrics, status, dead letters, and why a record looks as it does.
//!
//! It reads what the journey left behind, and puts back onto its way what had been given up. It must not call Stripe or
//! Salesforce.

pub mod dead_letters;
pub mod metrics;
mod remake;
pub(crate) mod requests;
pub mod status;
pub mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web;
use time::format_description::well_known::Rfc3339;
use utoipa::OpenApi;

use crate::api::Caller;
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::mapping::Mapping;
use crate::metrics::Metrics;
use crate::store::{Backend, Store};
use crate::webhooks::process::Route;
use crate::worker::Bell;

/// What the operators' side needs; one for the whole process.
#[derive(Clone, Debug)]
pub struct Ops {
    /// Where everything is kept.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// What was counted.
    pub metrics: Metrics,
    /// What records are made by, today.
    pub mapping: Arc<Mapping>,
    /// Where each Stripe account's events lead.
    pub accounts: Arc<BTreeMap<String, Route>>,
    /// Rings when an event is to be mapped.
    pub inbox: Bell,
    /// Rings when a record is to be delivered.
    pub outbox: Bell,
    /// One question after how much waits at a time.
    pub asking: Arc<tokio::sync::Mutex<()>>,
}

impl Ops {
    fn now_ms(&self) -> i64 {
        unix_ms(self.clock.now())
    }

    /// The Stripe accounts whose affairs a caller may see; none means all.
    fn accounts_of(&self, caller: &Caller) -> Option<Vec<String>> {
        let bound = caller.account.is_some() || caller.org.is_some();
        let may = |name: &String, route: &Route| {
            caller.account.as_ref().is_none_or(|only| only == name)
                && caller.org.as_ref().is_none_or(|only| *only == route.org)
        };
        bound.then(|| {
            let mine = self.accounts.iter().filter(|(name, route)| may(name, route));
            mine.map(|(name, _)| name.clone()).collect()
        })
    }

    /// The orgs that records go to.
    fn orgs(&self) -> Vec<String> {
        self.metrics.orgs().iter().map(|org| org.name.clone()).collect()
    }
}

/// Milliseconds since 1970 as RFC 3339.
fn written(at_ms: i64) -> Option<String> {
    from_unix_ms(at_ms).format(&Rfc3339).ok()
}

/// Rows of records that are found by their own id have this behind the object's name.
const BY_ID: &str = ".Id";

/// An object as people know it.
fn object_name(sobject: &str) -> &str {
    sobject.strip_suffix(BY_ID).unwrap_or(sobject)
}

/// How the database is called.
fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "SQLite",
        Backend::Postgres => "PostgreSQL",
    }
}

#[derive(OpenApi)]
#[openapi(paths(
    status::get_status,
    trace::get_trace,
    requests::list_dead_letters,
    requests::get_dead_letter,
    requests::preview_dead_letter,
    requests::replay_dead_letter,
    requests::replay_dead_letters,
    requests::discard_dead_letter,
))]
struct Contract;

/// The paths of the contract that are served here.
pub fn paths() -> utoipa::openapi::OpenApi {
    Contract::openapi()
}

/// The routes below `/v1`; whoever adds them authenticates.
pub fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/status").route(web::get().to(status::get_status)))
        .service(web::resource("/trace/{stripeId}").route(web::get().to(trace::get_trace)))
        .service(web::resource("/dead-letters").route(web::get().to(requests::list_dead_letters)))
        .service(web::resource("/dead-letters/replay").route(web::post().to(requests::replay_dead_letters)))
        .service(
            web::resource("/dead-letters/{deadLetterId}").route(web::get().to(requests::get_dead_letter)),
        )
        .service(
            web::resource("/dead-letters/{deadLetterId}/preview")
                .route(web::get().to(requests::preview_dead_letter)),
        )
        .service(
            web::resource("/dead-letters/{deadLetterId}/replay")
                .route(web::post().to(requests::replay_dead_letter)),
        )
        .service(
            web::resource("/dead-letters/{deadLetterId}/discard")
                .route(web::post().to(requests::discard_dead_letter)),
        );
}
