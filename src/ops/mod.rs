//! What operators see and do: metrics, status, dead letters, and why a record looks as it does.
//!
//! It reads what the journey left behind, and puts back onto its way what had been given up. It must not call Stripe or
//! Salesforce.

pub mod metrics;
pub mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web;
use utoipa::OpenApi;

use crate::clock::{Clock, unix_ms};
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

    /// The orgs that records go to.
    fn orgs(&self) -> Vec<String> {
        self.metrics.orgs().iter().map(|org| org.name.clone()).collect()
    }
}

/// How the database is called.
fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "SQLite",
        Backend::Postgres => "PostgreSQL",
    }
}

#[derive(OpenApi)]
#[openapi(paths(status::get_status))]
struct Contract;

/// The paths of the contract that are served here.
pub fn paths() -> utoipa::openapi::OpenApi {
    Contract::openapi()
}

/// The routes below `/v1`; whoever adds them authenticates.
pub fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/status").route(web::get().to(status::get_status)));
}
