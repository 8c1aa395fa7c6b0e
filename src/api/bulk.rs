//! Many of one kind in one call: results in the order of the request, and one bad item harms only itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::action::{Action, Head, Kind};
use super::answer::json;
use super::ask::Outcome;
use super::fields::Fields;
use super::idempotency::{Claimed, Known, Wanted};
use super::operations;
use super::pipeline::{Account, Asked, Pipeline, read};
use super::problem::{Body as ProblemBody, FieldProblem, Problem};
use crate::clock::unix_ms;
use crate::store::Conn;
use crate::store::idempotency::{self as claims, Claim};

/// Salesforce hands a trigger at most so many records at once.
pub(super) const MOST_ITEMS: usize = 200;

/// Defines the documentation of a bulk body; like `request_body!`, it describes and is never filled.
macro_rules! bulk_body {
    ($(#[$outer:meta])* $name:ident of $item:ty) => {
        $(#[$outer])*
        #[derive(utoipa::ToSchema)]
        #[schema(rename_all = "camelCase")]
        #[expect(dead_code, reason = "describes the body for the OpenAPI document")]
        pub(super) struct $name {
            /// What to create, 1 to 200. Give each item a salesforceRecordId or an idempotencyKey of its own; two items
            /// with the same key are one intention.
            #[schema(min_items = 1, max_items = 200)]
            items: Vec<$item>,
        }
    };
}
pub(super) use bulk_body;

/// What became of each item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkAnswer {
    /// One for each item, in the order of the request.
    results: Vec<BulkResult>,
    /// How many succeeded.
    #[schema(example = 2)]
    succeeded_count: i32,
    /// How many failed.
    #[schema(example = 0)]
    failed_count: i32,
    /// Ask for the rest with getOperation; there while the work goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    operation_id: Option<String>,
    /// completed, or running when it takes longer than the caller should wait; then the results say which items are
    /// pending.
    #[schema(value_type = String, example = "completed")]
    operation_status: OperationStatus,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
}

/// Whether everything that was asked for has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OperationStatus {
    Completed,
    Running,
}

/// What became of one item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkResult {
    /// Its place in the request, from 0.
    #[schema(example = 0)]
    pub(super) item_index: i32,
    /// Whether it was done, now or by an earlier call with the same key.
    #[schema(example = true)]
    succeeded: bool,
    /// Whether it is not known yet what becomes of it.
    #[schema(example = false)]
    pub(super) pending: bool,
    /// Stripe's id of what was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
    pub(super) stripe_id: Option<String>,
    /// Its status, in the words of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Active")]
    pub(super) status: Option<String>,
    /// The page to send the payer to, for what has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
    pub(super) url: Option<String>,
    /// The key it travelled under.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "paybridge-createCustomer-001D000000IRFmaIAH")]
    pub(super) idempotency_key: Option<String>,
    /// Whether this is the answer of an earlier call or item with the same key, and nothing was done now.
    #[schema(example = false)]
    idempotency_replayed: bool,
    // Without a description: beside a reference, OpenAPI 3.0 has no place for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = ProblemBody)]
    pub(super) problem: Option<Problem>,
}

/// Answers the bulk twin of an endpoint.
pub(super) async fn bulk<A: Action>(asked: Asked) -> Result<HttpResponse, Problem> {
    let until = Instant::now() + asked.pipeline.settings.patience;
    let kind = Kind::of::<A>();
    let items = read_items(asked.body.fields()?, &asked.head, kind)?;
    let Sorted { mut results, once, twins } = sort(items);
    let (sender, mut ended) = mpsc::channel(MOST_ITEMS);
    let (pipeline, account) = (Arc::clone(&asked.pipeline), asked.account.clone());
    asked.pipeline.runtime.spawn(work(pipeline, account, asked.caller.clone(), once, sender));
    while let Ok(Some((index, result))) = tokio::time::timeout_at(until, ended.recv()).await {
        results[index] = result;
    }
    for (index, first) in twins {
        results[index] = results[first].clone().again_at(index);
    }
    // What went wrong with one item is looked up in the log like everything else.
    for problem in results.iter_mut().filter_map(|result| result.problem.as_mut()) {
        problem.request_id.clone_from(&asked.request_id);
    }
    let running = results.iter().any(|result| result.pending);
    let operation_id = match running {
        true => Some(operations::keep(&asked, kind, &results).await?.id),
        false => None,
    };
    let answer = BulkAnswer {
        succeeded_count: count(&results, true),
        failed_count: count(&results, false),
        operation_status: if running { OperationStatus::Running } else { OperationStatus::Completed },
        operation_id,
        request_id: asked.request_id,
        results,
    };
    Ok(json(if running { StatusCode::ACCEPTED } else { StatusCode::OK }, &answer))
}

/// The items by what is to be done about them.
struct Sorted {
    /// One for each item: what was wrong with it, or that it is pending.
    results: Vec<BulkResult>,
    /// The intentions, each once, with the place of its first item.
    once: Vec<(usize, Wanted)>,
    /// Items that say what an earlier one said, and the place of that.
    twins: Vec<(usize, usize)>,
}

fn sort(items: Vec<Result<Wanted, Problem>>) -> Sorted {
    let mut sorted = Sorted { results: Vec::with_capacity(items.len()), once: Vec::new(), twins: Vec::new() };
    let mut first_of: HashMap<String, (usize, usize)> = HashMap::new();
    for (index, item) in items.into_iter().enumerate() {
        let wanted = match item {
            Ok(wanted) => wanted,
            Err(problem) => {
                sorted.results.push(BulkResult::failed(index, None, problem));
                continue;
            }
        };
        let key = wanted.key.text().to_owned();
        sorted.results.push(BulkResult::pending(index, &key));
        match first_of.get(&key) {
            None => {
                first_of.insert(key, (index, sorted.once.len()));
                sorted.once.push((index, wanted));
            }
            Some((first, place)) if sorted.once[*place].1.request == wanted.request => {
                sorted.twins.push((index, *first));
            }
            Some(_) => {
                sorted.results[index] = BulkResult::failed(index, Some(key), Problem::key_reused());
            }
        }
    }
    sorted
}

/// Does everything, and goes on when nobody waits for it any more.
async fn work(
    pipeline: Arc<Pipeline>,
    account: Account,
    caller: String,
    items: Vec<(usize, Wanted)>,
    ended: mpsc::Sender<(usize, BulkResult)>,
) {
    let lease: Arc<str> = Uuid::now_v7().to_string().into();
    let caller: Arc<str> = caller.into();
    let held: Arc<Mutex<BTreeSet<i64>>> = Arc::default();
    let mut items_running = JoinSet::new();
    // All keys are claimed at once, in one commit or two; then each item waits for its turn at Stripe.
    for (index, wanted) in items {
        let (pipeline, account, ended) = (Arc::clone(&pipeline), account.clone(), ended.clone());
        let (lease, caller, held) = (Arc::clone(&lease), Arc::clone(&caller), Arc::clone(&held));
        items_running.spawn(async move {
            let outcome = match pipeline.claims.take(&account.name, &caller, &wanted, &lease).await {
                Ok(Claimed::Ours(claim)) => {
                    lock(&held).insert(claim.id);
                    let turn = account.pace.turn().await;
                    let outcome = pipeline.finish(&account, &wanted, &claim).await;
                    drop(turn);
                    lock(&held).remove(&claim.id);
                    Ok(outcome)
                }
                Ok(Claimed::Known(known)) => Ok(Outcome::Known(known)),
                Ok(Claimed::Running) => Err(Problem::key_in_use()),
                Ok(Claimed::Reused) => Err(Problem::key_reused()),
                Err(problem) => Err(problem),
            };
            let result = BulkResult::of(index, wanted.kind, wanted.key.text(), outcome);
            // Nobody may wait for it any more; what became of it is written down.
            let _gone = ended.send((index, result)).await;
        });
    }
    drop(ended);
    let mut renewal = tokio::time::interval(pipeline.claims.renewal());
    renewal.tick().await;
    loop {
        tokio::select! {
            item = items_running.join_next() => match item {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::error!(%error, "an item of a bulk panicked"),
                None => return,
            },
            _ = renewal.tick() => {
                let ids: Vec<i64> = lock(&held).iter().copied().collect();
                let now = pipeline.clock.now();
                let (lease, now_ms, until_ms) = (Arc::clone(&lease), unix_ms(now), pipeline.claims.until_ms(now));
                let renew = move |conn: &mut Conn| claims::renew(conn, &lease, &ids, now_ms, until_ms);
                let renewed = pipeline.store.write(renew).await;
                if let Err(error) = renewed {
                    tracing::warn!(%error, "leases were not renewed");
                }
            }
        }
    }
}

fn lock(held: &Mutex<BTreeSet<i64>>) -> std::sync::MutexGuard<'_, BTreeSet<i64>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many succeeded or failed; what is pending did neither.
pub(super) fn count(results: &[BulkResult], succeeded: bool) -> i32 {
    let count = results.iter().filter(|result| !result.pending && result.succeeded == succeeded).count();
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The items, each read or refused by itself.
///
/// Errors: what is wrong with the request as a whole.
fn read_items(mut fields: Fields, head: &Head, kind: Kind) -> Result<Vec<Result<Wanted, Problem>>, Problem> {
    if head.key.is_some() {
        let problem = "the header Idempotency-Key names one intention; give each item a key of its own";
        let fault = FieldProblem {
            field: "idempotencyKey".to_owned(),
            problem: problem.to_owned(),
            expected: Some("items[…].idempotencyKey".to_owned()),
            example: None,
        };
        return Err(Problem::fields(vec![fault]));
    }
    let items = fields.elements("items", MOST_ITEMS);
    if items.is_empty() && !fields.has_fault("items") {
        let expected = format!("1 to {MOST_ITEMS} items");
        fields.missing("items", &expected, r#"[{"salesforceRecordId":"001D000000IRFmaIAH"}]"#);
    }
    let items = fields.finish(Some(items))?;
    let read_item = |item: &str| read(kind, Fields::parse(item.as_bytes())?, &Head::default());
    Ok(items.iter().map(|item| read_item(item.get())).collect())
}

impl BulkResult {
    /// What came of an item.
    fn of(index: usize, kind: Kind, key: &str, outcome: Result<Outcome, Problem>) -> Self {
        match outcome {
            Ok(Outcome::Known(Known::Done { answer, replayed })) => {
                let text = |name: &str| answer.get(name).and_then(|value| value.as_str()).map(str::to_owned);
                Self {
                    succeeded: true,
                    pending: false,
                    stripe_id: text("stripeId"),
                    status: text("status"),
                    url: text(kind.url),
                    idempotency_replayed: replayed,
                    ..Self::pending(index, key)
                }
            }
            Ok(Outcome::Unknown { problem, .. }) => {
                Self { problem: Some(problem), ..Self::pending(index, key) }
            }
            Ok(Outcome::Known(Known::Failed(problem)) | Outcome::Refused(problem)) | Err(problem) => {
                Self::failed(index, Some(key.to_owned()), problem)
            }
        }
    }

    /// What came of an item that was pending, by its claim.
    pub(super) fn of_claim(self, kind: Option<Kind>, claim: Option<&Claim>) -> Self {
        let index = usize::try_from(self.item_index).unwrap_or_default();
        let key = self.idempotency_key.clone().unwrap_or_default();
        match (kind, claim) {
            (Some(kind), Some(claim)) if claim.is_settled() => {
                let known = super::idempotency::read(claim.answer.as_deref(), claim.problem.as_deref());
                let replayed = self.idempotency_replayed;
                Self {
                    idempotency_replayed: replayed,
                    ..Self::of(index, kind, &key, Ok(Outcome::Known(known)))
                }
            }
            (Some(_), Some(claim)) => {
                let problem = claim.problem.as_deref().and_then(|text| serde_json::from_str(text).ok());
                Self { problem, ..self }
            }
            // The key was never claimed, or it is forgotten.
            _ => Self::failed(index, Some(key), Problem::never_done()),
        }
    }

    /// An item whose outcome is not known yet.
    pub(super) fn pending(index: usize, key: &str) -> Self {
        Self {
            item_index: place(index),
            succeeded: false,
            pending: true,
            stripe_id: None,
            status: None,
            url: None,
            idempotency_key: Some(key.to_owned()),
            idempotency_replayed: false,
            problem: None,
        }
    }

    fn failed(index: usize, key: Option<String>, problem: Problem) -> Self {
        Self {
            pending: false,
            stripe_id: problem.payment_intent_id.clone(),
            idempotency_key: key,
            problem: Some(problem),
            ..Self::pending(index, "")
        }
    }

    /// The same for another item with the same key and values.
    fn again_at(self, index: usize) -> Self {
        let replayed = self.succeeded || self.pending;
        Self { item_index: place(index), idempotency_replayed: replayed, ..self }
    }
}

fn place(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
