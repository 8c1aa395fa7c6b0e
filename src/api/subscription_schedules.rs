//! Subscription schedules: terms that follow each other; create, get, cancel, release.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::{OpenApi, ToSchema};

use super::action::{Action, Head, Kind, Resource};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::items::{Suits, read_interval, read_price};
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, change, change_body, collection, common, request_body, required_customer};
use crate::stripe::{self, NewItem, ScheduleEnd, Term};

/// Everything about subscription schedules.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[
        Kind::of::<CreateSubscriptionSchedule>(),
        Kind::of::<CancelSubscriptionSchedule>(),
        Kind::of::<ReleaseSubscriptionSchedule>(),
    ],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(
    create_subscription_schedule,
    create_subscription_schedules_bulk,
    get_subscription_schedule,
    cancel_subscription_schedule,
    release_subscription_schedule
))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    let of = |step: &str| web::resource(format!("/subscription-schedules/{{subscriptionScheduleId}}{step}"));
    app.service(web::resource("/subscription-schedules").route(web::post().to(create_subscription_schedule)))
        .service(
            web::resource("/subscription-schedules/bulk")
                .route(web::post().to(create_subscription_schedules_bulk)),
        )
        .service(of("").route(web::get().to(get_subscription_schedule)))
        .service(of("/cancel").route(web::post().to(cancel_subscription_schedule)))
        .service(of("/release").route(web::post().to(release_subscription_schedule)));
}

request_body! {
    /// A subscription of several terms, as a contract whose price changes every year.
    CreateSubscriptionScheduleRequest {
        /// Stripe's id of the customer who pays.
        #[schema(example = "cus_sandbox")]
        customer_id: String,
        /// What is subscribed to, term after term; at most 10 terms and 100 entries. Entries with the same termNumber are one
        /// term.
        #[schema(min_items = 1, max_items = 100)]
        terms: Vec<SubscriptionTermRequest>,
        /// When the first term begins; now if absent. A date means its midnight in UTC.
        #[schema(nullable = false, format = DateTime, example = "2027-01-01T00:00:00Z")]
        starts_at: Option<String>,
        /// What follows the last term: release (the subscription goes on as it was) or cancel (it ends).
        #[schema(nullable = false, default = "release", example = "release")]
        end_behavior: Option<String>,
        /// charge_automatically takes the default payment method, send_invoice mails an invoice.
        #[schema(nullable = false, default = "charge_automatically", example = "charge_automatically")]
        collection_method: Option<String>,
        /// Days to pay an invoice; required with send_invoice, and only there.
        #[schema(nullable = false, example = 30, minimum = 1, maximum = 365)]
        days_until_due: Option<i64>,
        /// Stripe's id of the payment method; the customer's default if absent.
        #[schema(nullable = false, example = "pm_sandbox_visa")]
        default_payment_method_id: Option<String>,
    }
}

/// One product in one term: `priceId`, or a price of its own with `unitAmount` or `unitAmountMinor`, `currencyCode`,
/// `productId` and `billingInterval`; and how long the term is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct SubscriptionTermRequest {
    /// Which term it belongs to, from 1; absent, each entry is a term of its own, in their order.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 10)]
    term_number: Option<i64>,
    /// The term's length: month, year, week or day. Told by the first entry of a term.
    #[schema(nullable = false, example = "year")]
    term_interval: Option<String>,
    /// So many of them; 1 if absent.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 1095)]
    term_interval_count: Option<i64>,
    /// How many; 1 if absent.
    #[schema(nullable = false, example = 3, minimum = 1, maximum = 999999)]
    quantity: Option<i64>,
    /// Stripe's id of the price.
    #[schema(nullable = false, example = "price_sandbox_monthly")]
    price_id: Option<String>,
    /// What one unit costs in major units, as text; a JSON number is taken too, and read exactly.
    #[schema(nullable = false, example = "49.00")]
    unit_amount: Option<String>,
    /// The same in minor units, instead of unitAmount.
    #[schema(nullable = false, example = 4900)]
    unit_amount_minor: Option<i64>,
    /// Three-letter ISO code of unitAmount.
    #[schema(nullable = false, example = "USD")]
    currency_code: Option<String>,
    /// Stripe's id of the product that unitAmount is the price of.
    #[schema(nullable = false, example = "prod_sandbox_plan")]
    product_id: Option<String>,
    /// How often unitAmount is charged: day, week, month or year.
    #[schema(nullable = false, example = "month")]
    billing_interval: Option<String>,
    /// Every so many intervals; 1 if absent.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 1095)]
    billing_interval_count: Option<i64>,
}

bulk_body! {
    /// Subscription schedules to create.
    CreateSubscriptionSchedulesBulkRequest of CreateSubscriptionScheduleRequest
}

change_body! {
    /// Nothing has to be said.
    CancelSubscriptionScheduleRequest {}
}

change_body! {
    /// Nothing has to be said.
    ReleaseSubscriptionScheduleRequest {}
}

answer_body! {
    /// A subscription of several terms.
    SubscriptionSchedule {
        /// Stripe's id.
        #[schema(example = "sub_sched_1PqXyZ2eZvKYlo2Cabcdefgh")]
        stripe_id: String,
        /// Not Started, Active, Completed, Released or Canceled; absent when Stripe says something new.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Active")]
        status: Option<String>,
        /// The status as Stripe says it; new ones may be added.
        #[schema(example = "active")]
        stripe_status: String,
        /// Stripe's id of the customer who pays.
        #[schema(example = "cus_NffrFeUfNV2Hib")]
        customer_id: String,
        /// Stripe's id of the subscription; absent until the first term begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "sub_1PqXyZ2eZvKYlo2Cabcdefgh")]
        subscription_id: Option<String>,
        /// release or cancel.
        #[schema(example = "release")]
        end_behavior: String,
        /// What is subscribed to, term after term; an entry for each product.
        terms: Vec<SubscriptionTerm>,
        /// Whether it is real money.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// One product in one term.
#[derive(Debug, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionTerm {
    /// Which term, from 1.
    #[schema(example = 1)]
    term_number: i32,
    /// When the term begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2027-01-01T00:00:00Z")]
    starts_at: Option<String>,
    /// When it ends, and the next begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2028-01-01T00:00:00Z")]
    ends_at: Option<String>,
    /// Stripe's id of the price.
    #[schema(example = "price_1PqXyZ2eZvKYlo2Cabcdefgh")]
    price_id: String,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    quantity: Option<i64>,
}

/// Creates a subscription of several terms. It begins at once unless startsAt says otherwise.
#[utoipa::path(
    post, path = "/v1/subscription-schedules", operation_id = "createSubscriptionSchedule", tag = "subscriptions",
    request_body(content = CreateSubscriptionScheduleRequest, example = json!({
        "customerId": "cus_sandbox", "terms": [
            { "priceId": "price_sandbox_monthly", "quantity": 3, "termInterval": "year" },
            { "unitAmount": "45.00", "currencyCode": "USD", "productId": "prod_sandbox_plan",
              "billingInterval": "month", "quantity": 5, "termInterval": "year", "termIntervalCount": 2 }
        ], "salesforceRecordId": "006Kj000002NwArIAK"
    })),
    responses(
        (status = "2XX", description = "The schedule.", body = SubscriptionSchedule),
        (status = "4XX", description = "The request has to be changed, or the payment was declined.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_subscription_schedule(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateSubscriptionSchedule>(asked).await
}

/// Creates up to 200 schedules. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/subscription-schedules/bulk", operation_id = "createSubscriptionSchedulesBulk", tag = "subscriptions",
    request_body(content = CreateSubscriptionSchedulesBulkRequest, example = json!({ "items": [{
        "customerId": "cus_sandbox", "salesforceRecordId": "801Kj000001NwRdIAK",
        "terms": [{ "priceId": "price_sandbox_monthly", "termInterval": "year" }]
    }] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_subscription_schedules_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateSubscriptionSchedule>(asked).await
}

/// Gets a schedule as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/subscription-schedules/{subscriptionScheduleId}", operation_id = "getSubscriptionSchedule", tag = "subscriptions",
    params(("subscriptionScheduleId" = String, Path, description = "Stripe's id.", example = "sub_sched_sandbox")),
    responses(
        (status = "2XX", description = "The schedule.", body = SubscriptionSchedule),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_subscription_schedule(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Schedule, SubscriptionSchedule>(
        reading,
        "subscription_schedule",
        "subscriptionScheduleId",
    )
    .await
}

/// Ends a schedule and its subscription at once.
#[utoipa::path(
    post, path = "/v1/subscription-schedules/{subscriptionScheduleId}/cancel", operation_id = "cancelSubscriptionSchedule", tag = "subscriptions",
    params(("subscriptionScheduleId" = String, Path, description = "Stripe's id.", example = "sub_sched_sandbox_unwanted")),
    request_body(content = CancelSubscriptionScheduleRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The schedule.", body = SubscriptionSchedule),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn cancel_subscription_schedule(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CancelSubscriptionSchedule>(asked).await
}

/// Ends a schedule; its subscription goes on as it is, and can be changed by itself.
#[utoipa::path(
    post, path = "/v1/subscription-schedules/{subscriptionScheduleId}/release", operation_id = "releaseSubscriptionSchedule", tag = "subscriptions",
    params(("subscriptionScheduleId" = String, Path, description = "Stripe's id.", example = "sub_sched_sandbox")),
    request_body(content = ReleaseSubscriptionScheduleRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The schedule.", body = SubscriptionSchedule),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn release_subscription_schedule(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ReleaseSubscriptionSchedule>(asked).await
}

/// See [`create_subscription_schedule`].
pub(super) struct CreateSubscriptionSchedule;

impl Action for CreateSubscriptionSchedule {
    const NAME: &'static str = "createSubscriptionSchedule";
    const OBJECT: &'static str = "subscription_schedule";
    type Object = stripe::objects::Schedule;
    type Answer = SubscriptionSchedule;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = required_customer(fields);
        let entries = fields.list("terms", 100, read_term);
        if entries.is_empty() && !fields.has_fault("terms") {
            let example = r#"[{"priceId":"price_…","termInterval":"year"}]"#;
            fields.missing("terms", "1 to 100 entries", example);
        }
        let start = fields.moment("startsAt");
        let words = [ScheduleEnd::Release, ScheduleEnd::Cancel].map(|end| (end.word(), end));
        let end = fields.word("endBehavior", &words).unwrap_or(ScheduleEnd::Release);
        let (collection_method, days_until_due) = collection(fields);
        let default_payment_method = fields.stripe_id("defaultPaymentMethodId", "", "pm_sandbox_visa");
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let entries: Vec<Entry> = entries.into_iter().collect::<Option<_>>()?;
        let terms = in_terms(fields, entries)?;
        let wanted = stripe::CreateSchedule {
            customer: customer?,
            start,
            terms,
            end,
            collection_method,
            days_until_due,
            default_payment_method,
            metadata,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::Schedule) -> SubscriptionSchedule {
        SubscriptionSchedule::from(object)
    }
}

/// One entry of `terms`.
pub(super) struct Entry {
    number: Option<i64>,
    interval: Option<stripe::Interval>,
    interval_count: Option<i64>,
    item: NewItem,
}

/// Reads one [`SubscriptionTermRequest`].
pub(super) fn read_term(fields: &mut Fields) -> Option<Entry> {
    let number = fields.whole("termNumber", 1..=10);
    let interval = read_interval(fields, "termInterval");
    let interval_count = fields.whole("termIntervalCount", 1..=1095);
    let quantity = fields.whole("quantity", 1..=999_999);
    let price = read_price(fields, Suits::Recurring)?;
    Some(Entry { number, interval, interval_count, item: NewItem { price, quantity } })
}

/// Puts entries of one number into one term. All entries have a number, or none.
fn in_terms(fields: &mut Fields, entries: Vec<Entry>) -> Option<Vec<Term>> {
    let numbered = entries.iter().filter(|entry| entry.number.is_some()).count();
    if numbered != 0 && numbered != entries.len() {
        let expected = Some("a termNumber in every entry, or in none");
        fields.fault("terms", "has entries with and without termNumber", expected, None);
        return None;
    }
    let mut terms: Vec<(i64, Term)> = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let number = entry.number.unwrap_or_else(|| i64::try_from(at).unwrap_or_default() + 1);
        if let Some((_, term)) = terms.iter_mut().find(|(known, _)| *known == number) {
            term.items.push(entry.item);
            continue;
        }
        let Some(interval) = entry.interval else {
            let field = format!("terms[{at}].termInterval");
            if !fields.has_fault(&field) {
                fields.missing(&field, "the length of the term: month, year, week or day", "year");
            }
            return None;
        };
        let interval_count = entry.interval_count.unwrap_or(1);
        terms.push((number, Term { items: vec![entry.item], interval_count, interval }));
    }
    if terms.len() > 10 {
        fields.fault("terms", format!("has {} terms", terms.len()), Some("at most 10 terms"), None);
        return None;
    }
    terms.sort_by_key(|(number, _)| *number);
    Some(terms.into_iter().map(|(_, term)| term).collect())
}

/// See [`cancel_subscription_schedule`].
pub(super) struct CancelSubscriptionSchedule;

impl Action for CancelSubscriptionSchedule {
    const NAME: &'static str = "cancelSubscriptionSchedule";
    const OBJECT: &'static str = "subscription_schedule";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Schedule;
    type Answer = SubscriptionSchedule;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "subscriptionScheduleId");
        Some((stripe::cancel_schedule(&id?), key))
    }

    fn answer(object: stripe::objects::Schedule) -> SubscriptionSchedule {
        SubscriptionSchedule::from(object)
    }
}

/// See [`release_subscription_schedule`].
pub(super) struct ReleaseSubscriptionSchedule;

impl Action for ReleaseSubscriptionSchedule {
    const NAME: &'static str = "releaseSubscriptionSchedule";
    const OBJECT: &'static str = "subscription_schedule";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Schedule;
    type Answer = SubscriptionSchedule;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "subscriptionScheduleId");
        Some((stripe::release_schedule(&id?), key))
    }

    fn answer(object: stripe::objects::Schedule) -> SubscriptionSchedule {
        SubscriptionSchedule::from(object)
    }
}

impl From<stripe::objects::Schedule> for SubscriptionSchedule {
    fn from(schedule: stripe::objects::Schedule) -> Self {
        let subscription = schedule.subscription.as_ref().map(|subscription| subscription.id().to_owned());
        Self {
            status: schedule.plain_status().map(str::to_owned),
            customer_id: schedule.customer.id().to_owned(),
            terms: (1..)
                .zip(&schedule.phases)
                .flat_map(|(number, phase)| in_entries(number, phase))
                .collect(),
            stripe_created_at: timestamp(schedule.created),
            metadata: entries(&schedule.metadata),
            stripe_id: schedule.id,
            stripe_status: schedule.status,
            subscription_id: subscription.or(schedule.released_subscription),
            end_behavior: schedule.end_behavior,
            livemode: schedule.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}

fn in_entries(number: i32, phase: &stripe::objects::SchedulePhase) -> Vec<SubscriptionTerm> {
    let entry = |item: &stripe::objects::PhaseItem| SubscriptionTerm {
        term_number: number,
        starts_at: timestamp(phase.start_date),
        ends_at: timestamp(phase.end_date),
        price_id: item.price.id().to_owned(),
        quantity: item.quantity,
    };
    phase.items.iter().map(entry).collect()
}
