//! Many of one kind in one call: results in the order of the request, and one bad item harms only itself.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::action::{Action, Head, Kind};
use super::answer::json;
use super::fields::Fields;
use super::pipeline::{Asked, Made, Wanted, perform, read};
use super::problem::{Body as ProblemBody, Code, FieldProblem, Problem};

/// Salesforce hands a trigger at most so many records at once.
pub(super) const MOST_ITEMS: usize = 200;
/// Requests to Stripe at the same time.
const AT_ONCE: usize = 10;

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
    #[expect(dead_code, reason = "not yet: calls that outlast the caller's patience")]
    Running,
}

/// What became of one item.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkResult {
    /// Its place in the request, from 0.
    #[schema(example = 0)]
    item_index: i32,
    /// Whether it was done, now or by an earlier call with the same key.
    #[schema(example = true)]
    succeeded: bool,
    /// Whether it is not known yet what becomes of it.
    #[schema(example = false)]
    pending: bool,
    /// Stripe's id of what was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
    stripe_id: Option<String>,
    /// Its status, in the words of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Active")]
    status: Option<String>,
    /// The page to send the payer to, for what has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
    url: Option<String>,
    /// The key it travelled under.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "paybridge-createCustomer-001D000000IRFmaIAH")]
    idempotency_key: Option<String>,
    /// Whether this is the answer of an earlier call or item with the same key, and nothing was done now.
    #[schema(example = false)]
    idempotency_replayed: bool,
    // Without a description: beside a reference, OpenAPI 3.0 has no place for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = ProblemBody)]
    problem: Option<Problem>,
}

/// Answers the bulk twin of an endpoint.
pub(super) async fn bulk<A: Action>(asked: Asked) -> Result<HttpResponse, Problem> {
    let kind = Kind::of::<A>();
    let items = read_items(asked.body.fields()?, &asked.head, kind)?;
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut results: Vec<Option<BulkResult>> = items.iter().map(|_| None).collect();
    let mut first_of: HashMap<String, usize> = HashMap::new();
    let mut twins: Vec<(usize, usize)> = Vec::new();
    let mut requests: HashMap<usize, crate::stripe::Request> = HashMap::new();
    let mut running = JoinSet::new();
    for (index, item) in items.into_iter().enumerate() {
        let wanted = match item {
            Ok(wanted) => wanted,
            Err(problem) => {
                results[index] = Some(BulkResult::failed(index, None, problem));
                continue;
            }
        };
        let key = wanted.key.text().to_owned();
        if let Some(&first) = first_of.get(&key) {
            if requests.get(&first) == Some(&wanted.request) {
                twins.push((index, first));
            } else {
                results[index] = Some(BulkResult::failed(index, Some(key), Problem::key_reused()));
            }
            continue;
        }
        first_of.insert(key, index);
        requests.insert(index, wanted.request.clone());
        let (client, at_once) = (asked.client.clone(), Arc::clone(&at_once));
        running.spawn(async move {
            let _place = at_once.acquire().await;
            let outcome = perform(&client, &wanted).await;
            BulkResult::of(index, &wanted, outcome)
        });
    }
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(result) => {
                let index = usize::try_from(result.item_index).unwrap_or_default();
                results[index] = Some(result);
            }
            Err(error) => tracing::error!(%error, "an item of a bulk panicked"),
        }
    }
    for (index, first) in twins {
        results[index] = results[first].clone().map(|result| result.again_at(index));
    }
    let lost = |(index, result): (usize, Option<BulkResult>)| {
        result.unwrap_or_else(|| {
            let detail = "the operators of this service find the reason in its log";
            BulkResult::failed(index, None, Problem::new(Code::InternalError, detail))
        })
    };
    let results: Vec<_> = results.into_iter().enumerate().map(lost).collect();
    let count = |succeeded: bool| {
        let count = results.iter().filter(|result| !result.pending && result.succeeded == succeeded).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let answer = BulkAnswer {
        succeeded_count: count(true),
        failed_count: count(false),
        operation_id: None,
        operation_status: OperationStatus::Completed,
        request_id: asked.request_id,
        results,
    };
    Ok(json(StatusCode::OK, &answer))
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
    fn of(index: usize, wanted: &Wanted, outcome: Result<Made, Problem>) -> Self {
        let key = Some(wanted.key.text().to_owned());
        let made = match outcome {
            Ok(made) => made,
            Err(problem) => return Self::failed(index, key, problem),
        };
        let text = |name: &str| made.answer.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        Self {
            item_index: place(index),
            succeeded: true,
            pending: false,
            stripe_id: text("stripeId"),
            status: text("status"),
            url: text(wanted.kind.url),
            idempotency_key: key,
            idempotency_replayed: made.replayed,
            problem: None,
        }
    }

    fn failed(index: usize, key: Option<String>, problem: Problem) -> Self {
        Self {
            item_index: place(index),
            succeeded: false,
            pending: false,
            stripe_id: problem.payment_intent_id.clone(),
            status: None,
            url: None,
            idempotency_key: key,
            idempotency_replayed: false,
            problem: Some(problem),
        }
    }

    /// The same for another item with the same key and values.
    fn again_at(self, index: usize) -> Self {
        Self { item_index: place(index), idempotency_replayed: self.succeeded, ..self }
    }
}

fn place(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}
