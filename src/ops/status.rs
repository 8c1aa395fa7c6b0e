//! How the service is doing: what waits, which orgs take records, how many requests are left.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::metrics::age_seconds;
use super::{Ops, backend_name, written};
use crate::api::{Caller, Problem, ProblemBody, RequestId, Scope};
use crate::clock::from_unix_ms;
use crate::metrics::Lane;
use crate::store::standing::WaitingFor;
use crate::store::stops::Stop;

/// How the service is doing now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The running version.
    #[schema(example = "0.1.0")]
    version: String,
    /// SQLite or PostgreSQL.
    #[schema(example = "PostgreSQL")]
    database_kind: String,
    /// Events stored and not mapped yet.
    #[schema(example = 0)]
    events_pending: i64,
    /// How long the oldest of them has waited.
    #[schema(example = 0)]
    oldest_event_seconds: i64,
    /// Events that could not be mapped and wait for a person.
    #[schema(example = 0)]
    events_dead: i64,
    /// Objects still to be read from Stripe.
    #[schema(example = 0)]
    reads_pending: i64,
    /// Records that were ever heard of; an estimate on PostgreSQL.
    #[schema(example = 48211)]
    records_known: i64,
    /// The event received last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "evt_1PqXyZ2eZvKYlo2Cabcdefgh")]
    last_event_id: Option<String>,
    /// When it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
    last_event_received_at: Option<String>,
    /// Each Salesforce org.
    orgs: Vec<OrgStatus>,
    /// Each Stripe account.
    accounts: Vec<AccountStatus>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
}

/// How it stands with one org.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrgStatus {
    /// Its name in the configuration.
    #[schema(example = "main")]
    org_name: String,
    /// Whether records are sent to it now.
    #[schema(example = true)]
    lane_open: bool,
    /// Until when it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:05:00Z")]
    closed_until: Option<String>,
    /// Why it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "our share of the org's daily requests is used up")]
    closed_reason: Option<String>,
    /// Whether a person has to mend something.
    #[schema(example = false)]
    needs_person: bool,
    /// Objects whose records wait until somebody mends something, and why; a line for each.
    #[schema(
        example = "Stripe_Charge__c: INVALID_FIELD: No such column 'Fee__c' on sobject of type Stripe_Charge__c"
    )]
    held_objects: String,
    /// Records that wait for their turn.
    #[schema(example = 0)]
    records_pending: i64,
    /// Records that travel.
    #[schema(example = 0)]
    records_in_flight: i64,
    /// Records given up.
    #[schema(example = 0)]
    records_dead: i64,
    /// How long the record that is due longest has been due.
    #[schema(example = 0)]
    oldest_due_seconds: i64,
    /// API requests of the rolling day that all users of the org have used; absent before its first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 10018)]
    requests_used: Option<i64>,
    /// API requests that the org allows in a rolling day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 100000)]
    requests_allowed: Option<i64>,
    /// API requests left until our share of the day is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 39982)]
    requests_left: Option<i64>,
}

/// How it stands with one Stripe account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountStatus {
    /// Its name in the configuration.
    #[schema(example = "main")]
    account_name: String,
    /// The org that its records go to.
    #[schema(example = "main")]
    org_name: String,
    /// The API version that its events are understood in.
    #[schema(example = "2026-10-28.endive")]
    stripe_api_version: String,
}

/// How the service is doing: what waits, which orgs take records, how many requests are left.
///
/// How many of the day's requests are left is what the answering process knows; the rest is true for all processes. Of a lane
/// that closes for a moment only the process knows that sends.
#[utoipa::path(
    get, path = "/v1/status", operation_id = "getStatus", tag = "operations",
    responses(
        (status = "2XX", description = "How it is doing.", body = Status),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(crate) async fn get_status(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsRead)?;
    let (waiting, waiting_for) = {
        let _one_at_a_time = ops.asking.lock().await;
        ops.waits().await?
    };
    let now_ms = ops.now_ms();
    let accounts = ops.accounts.iter().map(|(name, route)| AccountStatus {
        account_name: name.clone(),
        org_name: route.org.clone(),
        stripe_api_version: route.api_version.clone(),
    });
    Ok(HttpResponse::Ok().json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database_kind: backend_name(ops.store.backend()).to_owned(),
        events_pending: waiting.events,
        oldest_event_seconds: age_seconds(waiting.oldest_event_at, now_ms),
        events_dead: waiting.dead_events,
        reads_pending: waiting.reads,
        records_known: waiting.records_known,
        last_event_received_at: waiting.last_event.as_ref().and_then(|event| written(event.received_at)),
        last_event_id: waiting.last_event.map(|event| event.event_id),
        orgs: waiting_for
            .iter()
            .map(|(name, waits)| org_status(&ops, name, *waits, &waiting.stops, now_ms))
            .collect(),
        accounts: accounts.collect(),
        request_id: RequestId::of(&request),
    }))
}

fn held(stop: &Stop) -> String {
    let Stop { sobject, reason, .. } = stop;
    let (since, next) = (written(stop.since).unwrap_or_default(), written(stop.next_try).unwrap_or_default());
    format!("{sobject}: {reason} (since {since}, tried again at {next})")
}

/// Whether the org takes anything now, as far as all processes know. One at a time sends to an org, and one may not send at all
/// because another org answers; the others learn of it from the database.
pub(super) fn lane(ops: &Ops, name: &str, stops: &[Stop]) -> Lane {
    let ours = ops.metrics.org(name).lane();
    let Some(stop) = stops.iter().find(|stop| stop.org == name && stop.sobject.is_empty()) else {
        return ours;
    };
    Lane {
        closed_until: ours.closed_until.or(Some(from_unix_ms(stop.next_try))),
        reason: ours.reason.or_else(|| Some(stop.reason.clone())),
        needs_a_person: ours.needs_a_person || stop.needs_person,
    }
}

fn org_status(ops: &Ops, name: &str, waits: WaitingFor, stops: &[Stop], now_ms: i64) -> OrgStatus {
    let lane = lane(ops, name, stops);
    let budget = ops.metrics.org(name).budget();
    let stops: Vec<&Stop> = stops.iter().filter(|stop| stop.org == name).collect();
    let held: Vec<String> =
        stops.iter().filter(|stop| !stop.sobject.is_empty()).map(|stop| held(stop)).collect();
    OrgStatus {
        org_name: name.to_owned(),
        lane_open: lane.closed_until.is_none(),
        closed_until: lane.closed_until.map(crate::clock::unix_ms).and_then(written),
        closed_reason: lane.reason,
        needs_person: lane.needs_a_person || stops.iter().any(|stop| stop.needs_person),
        held_objects: held.join("\n"),
        records_pending: waits.pending,
        records_in_flight: waits.in_flight,
        records_dead: waits.dead,
        oldest_due_seconds: age_seconds(waits.oldest_due_at, now_ms),
        requests_used: budget.map(|budget| budget.used),
        requests_allowed: budget.map(|budget| budget.limit),
        requests_left: budget.map(|budget| budget.left),
    }
}
