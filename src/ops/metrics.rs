//! `/metrics`: what was counted, and what waits now, in Prometheus' text format.

use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};

use super::Ops;
use super::status::lane;
use crate::api::{Caller, Code, Problem, Scope, authenticate};
use crate::clock::unix_ms;
use crate::store;
use crate::store::standing::{self, Waiting, WaitingFor};

/// Prometheus waits ten seconds; what was counted is worth having also when the database hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// `/metrics` for callers with a key.
pub fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/metrics").wrap(from_fn(authenticate)).route(web::get().to(metrics_for_caller)),
    );
}

/// `/metrics` for everybody who reaches the address.
pub fn open_routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/metrics").route(web::get().to(metrics)));
}

async fn metrics_for_caller(ops: web::Data<Ops>, caller: Caller) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsRead)?;
    metrics(ops).await
}

async fn metrics(ops: web::Data<Ops>) -> Result<HttpResponse, Problem> {
    let waits = {
        let _one_at_a_time = ops.asking.lock().await;
        tokio::time::timeout(PATIENCE, ops.waits()).await
    };
    let answered = matches!(waits, Ok(Ok(_)));
    ops.metrics.stored.up.set(i64::from(answered));
    if let Ok(Ok((waiting, orgs))) = waits {
        show(&ops, &waiting, &orgs);
    }
    let text = ops.metrics.text().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(Code::InternalError, "the metrics cannot be written")
    })?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

impl Ops {
    /// What waits for all orgs together and for each.
    pub(super) async fn waits(&self) -> store::Result<(Waiting, Vec<(String, WaitingFor)>)> {
        let (orgs, now_ms) = (self.orgs(), self.now_ms());
        self.store
            .read(move |conn| {
                let waiting = standing::waiting(conn)?;
                let of_org = |org: String| Ok((org.clone(), standing::waiting_for(conn, &org, now_ms)?));
                Ok((waiting, orgs.into_iter().map(of_org).collect::<store::Result<_>>()?))
            })
            .await
    }
}

fn show(ops: &Ops, waiting: &Waiting, orgs: &[(String, WaitingFor)]) {
    let (stored, now_ms) = (&ops.metrics.stored, unix_ms(ops.clock.now()));
    stored.events_pending.set(waiting.events);
    stored.oldest_event_age.set(age_seconds(waiting.oldest_event_at, now_ms));
    stored.events_dead.set(waiting.dead_events);
    stored.reads_pending.set(waiting.reads);
    stored.calls_unknown.set(waiting.unknown_calls);
    stored.oldest_unknown_call_age.set(age_seconds(waiting.oldest_unknown_call_at, now_ms));
    stored.records_known.set(waiting.records_known);
    for (org, of_org) in orgs {
        let state = |state: &str, count| stored.records.with_label_values(&[org.as_str(), state]).set(count);
        state("pending", of_org.pending);
        state("in_flight", of_org.in_flight);
        state("dead", of_org.dead);
        ops.metrics.org(org).show(&lane(ops, org, &waiting.stops));
        let held = waiting.stops.iter().filter(|stop| stop.org == *org && !stop.sobject.is_empty());
        stored.objects_held.with_label_values(&[org]).set(i64::try_from(held.count()).unwrap_or(i64::MAX));
        stored.oldest_record_age.with_label_values(&[org]).set(age_seconds(of_org.oldest_due_at, now_ms));
    }
}

/// Whole seconds since then; none if there is nothing, or if it lies ahead.
pub(super) fn age_seconds(since_ms: Option<i64>, now_ms: i64) -> i64 {
    since_ms.map_or(0, |since| now_ms.saturating_sub(since).max(0) / 1_000)
}
