//! Work that outlasted its caller's patience: kept when it is accepted with 202, and told to who asks.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;

use super::ApiState;
use super::action::{Kind, Resource};
use super::answer::{RequestId, json};
use super::auth::{Caller, Scope};
use super::bulk::{BulkResult, OperationStatus, count};
use super::fields::excerpt;
use super::moments::timestamp;
use super::pipeline::Asked;
use super::problem::{self, Code, Problem};
use crate::clock::{from_unix_ms, unix_ms};
use crate::store::operations::{self, Operation};
use crate::store::{self, idempotency};

/// Everything about operations.
pub(super) const RESOURCE: Resource = Resource { actions: &[], routes, paths: Paths::openapi };

#[derive(OpenApi)]
#[openapi(paths(get_operation))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/operations/{operationId}").route(web::get().to(get_operation)));
}

/// Work that was accepted, and how far it got.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Operation)]
pub(super) struct OperationAnswer {
    /// Names the operation, for getOperation.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    operation_id: String,
    /// What was asked for, once or many times.
    #[schema(example = "createCustomer")]
    operation_name: String,
    /// running until it is known what became of every item, then completed.
    #[schema(value_type = String, example = "completed")]
    operation_status: OperationStatus,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
    created_at: Option<String>,
    /// When the last item ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:09Z")]
    completed_at: Option<String>,
    /// Stripe's id of what was created, for a single call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
    stripe_id: Option<String>,
    /// Its status, for a single call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Active")]
    status: Option<String>,
    /// The page to send the payer to, for a single call that made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
    url: Option<String>,
    /// Why a single call failed, like payment_declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "payment_declined")]
    problem_code: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Your card was declined.")]
    problem_detail: Option<String>,
    /// One for each item of a bulk, in the order of the request; one alone for a single call.
    results: Vec<BulkResult>,
    /// How many succeeded.
    #[schema(example = 2)]
    succeeded_count: i32,
    /// How many failed.
    #[schema(example = 0)]
    failed_count: i32,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
}

/// A caller may have less patience than it takes to commit the claims of the keys; what is not claimed by then never will be.
const CLAIMED_BY: Duration = Duration::from_secs(120);

/// Gets an operation that was accepted with 202: what became of each item so far.
///
/// Ask again after a few seconds while `operationStatus` is running.
#[utoipa::path(
    get, path = "/v1/operations/{operationId}", operation_id = "getOperation", tag = "operations",
    params(("operationId" = String, Path, description = "From the answer 202.", example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")),
    responses(
        (status = "2XX", description = "The operation.", body = OperationAnswer),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn get_operation(
    state: web::Data<ApiState>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::PaymentsRead)?;
    let id = id.into_inner();
    // What is no id of ours need not be asked for; a database may not even take it.
    let wanted = Uuid::parse_str(&id).map(|_| id.clone()).ok();
    let found = state.pipeline.store.read(move |conn| {
        let Some(wanted) = wanted else { return Ok(None) };
        let Some(operation) = operations::find(conn, &wanted)? else { return Ok(None) };
        let results: Vec<BulkResult> =
            serde_json::from_str(&operation.items).map_err(|error| store::Error::Corrupt(Box::new(error)))?;
        let pending = results.iter().filter(|result| result.pending);
        let keys: Vec<String> = pending.filter_map(|result| result.idempotency_key.clone()).collect();
        let claims = idempotency::find(conn, &operation.account, &keys)?;
        Ok(Some((operation, results, claims)))
    });
    let found = found.await?.filter(|(operation, ..)| state.is_for(Some(&caller), &operation.account));
    let Some((operation, results, claims)) = found else {
        let detail =
            format!("`{}` is not the id of an operation; they are forgotten with their keys", excerpt(&id));
        return Err(Problem::new(Code::ResourceMissing, detail));
    };
    let kind = Kind::named(&operation.action);
    let may_be_claimed = state.pipeline.clock.now() < from_unix_ms(operation.created_at) + CLAIMED_BY;
    let told = |result: BulkResult| match &result.idempotency_key {
        Some(key) if result.pending => match claims.iter().find(|claim| claim.idempotency_key == *key) {
            None if may_be_claimed => result,
            claim => result.of_claim(kind, claim),
        },
        _ => result,
    };
    let results = results.into_iter().map(told).collect();
    let ended = claims.iter().filter_map(|claim| claim.settled_at).max();
    let answer = answer(&operation, results, ended, &RequestId::of(&request));
    Ok(json(StatusCode::OK, &answer))
}

/// Keeps what was asked for, so that somebody can ask what became of it.
///
/// Errors: the database did not take it; the work goes on all the same.
pub(super) async fn keep(asked: &Asked, kind: Kind, results: &[BulkResult]) -> Result<Operation, Problem> {
    let unknown = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "an operation was not kept; its work goes on");
        let detail = "the request may have taken effect; repeat it with the same idempotencyKey to find out";
        Problem::new(Code::DeadlinePassed, detail)
    };
    let operation = Operation {
        id: Uuid::now_v7().to_string(),
        account: asked.account.name.clone(),
        action: kind.name.to_owned(),
        caller: asked.caller.clone(),
        items: serde_json::to_string(results).map_err(|error| unknown(&error))?,
        created_at: unix_ms(asked.pipeline.clock.now()),
    };
    let kept = operation.clone();
    let written = asked.pipeline.store.write(move |conn| operations::create(conn, &kept)).await;
    written.map_err(|error| unknown(&error))?;
    Ok(operation)
}

/// An operation as it is told; `ended_ms` is when the last of its items ended so far.
fn answer(
    operation: &Operation,
    results: Vec<BulkResult>,
    ended_ms: Option<i64>,
    request_id: &str,
) -> OperationAnswer {
    let running = results.iter().any(|result| result.pending);
    let ended = ended_ms.filter(|_| !running);
    let single = match results.as_slice() {
        [single] => Some(single.clone()),
        _ => None,
    };
    let problem = single.as_ref().and_then(|single| single.problem.as_ref());
    OperationAnswer {
        operation_id: operation.id.clone(),
        operation_name: operation.action.clone(),
        operation_status: if running { OperationStatus::Running } else { OperationStatus::Completed },
        created_at: timestamp(operation.created_at / 1_000),
        completed_at: ended.and_then(|ended| timestamp(ended / 1_000)),
        problem_code: problem.map(|problem| problem.code.name().to_owned()),
        problem_detail: problem.map(|problem| problem.detail.clone()),
        stripe_id: single.as_ref().and_then(|single| single.stripe_id.clone()),
        status: single.as_ref().and_then(|single| single.status.clone()),
        url: single.and_then(|single| single.url),
        succeeded_count: count(&results, true),
        failed_count: count(&results, false),
        results,
        request_id: request_id.to_owned(),
    }
}
