//! Subscriptions: create, get, change items, pause, resume, cancel and take that back.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::action::{Action, Head, Kind, Resource};
use super::amounts::major;
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::items::{Suits, know_price, read_price, says_price};
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, change, change_body, collection, common, request_body, required_customer};
use crate::stripe::{self, ChangeItem, NewItem, Pause, PaymentBehavior, Proration, TrialEnd};

/// Everything about subscriptions.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[
        Kind::of::<CreateSubscription>(),
        Kind::of::<ChangeSubscriptionItems>(),
        Kind::of::<PauseSubscription>(),
        Kind::of::<ResumeSubscription>(),
        Kind::of::<CancelSubscription>(),
        Kind::of::<KeepSubscription>(),
    ],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(
    create_subscription,
    create_subscriptions_bulk,
    get_subscription,
    change_subscription_items,
    pause_subscription,
    resume_subscription,
    cancel_subscription,
    keep_subscription
))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    let of = |step: &str| web::resource(format!("/subscriptions/{{subscriptionId}}{step}"));
    app.service(web::resource("/subscriptions").route(web::post().to(create_subscription)))
        .service(web::resource("/subscriptions/bulk").route(web::post().to(create_subscriptions_bulk)))
        .service(of("").route(web::get().to(get_subscription)))
        .service(of("/items").route(web::post().to(change_subscription_items)))
        .service(of("/pause").route(web::post().to(pause_subscription)))
        .service(of("/resume").route(web::post().to(resume_subscription)))
        .service(of("/cancel").route(web::post().to(cancel_subscription)))
        .service(of("/keep").route(web::post().to(keep_subscription)));
}

request_body! {
    /// A subscription to create.
    CreateSubscriptionRequest {
        /// Stripe's id of the customer who pays.
        #[schema(example = "cus_sandbox")]
        customer_id: String,
        /// What is subscribed to, 1 to 20.
        #[schema(min_items = 1, max_items = 20)]
        items: Vec<SubscriptionItemRequest>,
        /// Days before the first charge.
        #[schema(nullable = false, example = 14, minimum = 1, maximum = 730)]
        trial_days: Option<i64>,
        /// charge_automatically takes the default payment method, send_invoice mails an invoice.
        #[schema(nullable = false, default = "charge_automatically", example = "charge_automatically")]
        collection_method: Option<String>,
        /// Days to pay an invoice; required with send_invoice, and only there.
        #[schema(nullable = false, example = 30, minimum = 1, maximum = 365)]
        days_until_due: Option<i64>,
        /// Stripe's id of the payment method; the customer's default if absent.
        #[schema(nullable = false, example = "pm_1PqXyZ2eZvKYlo2Cabcdefgh")]
        default_payment_method_id: Option<String>,
        /// When a trial ends and there is nothing to pay with: create_invoice (it stays unpaid), pause or cancel.
        #[schema(nullable = false, default = "create_invoice", example = "pause")]
        trial_end_behavior: Option<String>,
        /// Free text, seen by the customer on invoices.
        #[schema(nullable = false, example = "Fleet telemetry, north", max_length = 500)]
        description: Option<String>,
        /// When the first payment does not succeed: allow_incomplete, default_incomplete (the payer confirms it) or
        /// error_if_incomplete (nothing is created, 402).
        #[schema(nullable = false, default = "allow_incomplete", example = "default_incomplete")]
        payment_behavior: Option<String>,
    }
}

bulk_body! {
    /// Subscriptions to create.
    CreateSubscriptionsBulkRequest of CreateSubscriptionRequest
}

change_body! {
    /// What changes. Items that are not named stay as they are.
    ChangeSubscriptionItemsRequest {
        /// Each names an item that exists by subscriptionItemId, or is a new one; 1 to 20.
        #[schema(min_items = 1, max_items = 20)]
        items: Vec<SubscriptionItemChangeRequest>,
        /// What the change means for the period that is running: create_prorations (the difference comes with the next
        /// invoice), always_invoice (it is billed at once) or none.
        #[schema(nullable = false, default = "create_prorations", example = "create_prorations")]
        proration_behavior: Option<String>,
    }
}

change_body! {
    /// How it rests. Without a word the subscription is paused as a whole.
    PauseSubscriptionRequest {
        /// subscription: no periods and no invoices until it is resumed; the status is Paused. Or only the collection rests
        /// and the status stays: keep_as_draft, mark_uncollectible or void say what becomes of the invoices.
        #[schema(nullable = false, default = "subscription", example = "subscription")]
        pause_behavior: Option<String>,
        /// When the collection goes on by itself; only where the collection alone rests.
        #[schema(nullable = false, format = DateTime, example = "2027-01-01T00:00:00Z")]
        collection_resumes_at: Option<String>,
    }
}

change_body! {
    /// How it goes on. Without a word a new period begins now, and is billed.
    ResumeSubscriptionRequest {
        /// subscription ends a pause of the whole, collection one of the collection of invoices.
        #[schema(nullable = false, default = "subscription", example = "subscription")]
        resume_what: Option<String>,
        /// new_period begins one now and bills it, same_period goes on in the one that was running.
        #[schema(nullable = false, default = "new_period", example = "new_period")]
        billing_period: Option<String>,
        /// What the pause means for the price: create_prorations, always_invoice or none.
        #[schema(nullable = false, default = "create_prorations", example = "none")]
        proration_behavior: Option<String>,
    }
}

change_body! {
    /// When it ends. Without a word it ends with the period that is paid for.
    CancelSubscriptionRequest {
        /// period_end, which can be taken back with keepSubscription until then, or now, which cannot.
        #[schema(nullable = false, default = "period_end", example = "period_end")]
        cancel_when: Option<String>,
        /// Whether to bill now what is open; only with now.
        #[schema(nullable = false, default = false, example = false)]
        invoice_now: Option<bool>,
        /// Whether to credit the rest of the period; only with now.
        #[schema(nullable = false, default = false, example = false)]
        prorate: Option<bool>,
        /// Why, for the people who read it in Stripe.
        #[schema(nullable = false, example = "moved to another product", max_length = 500)]
        cancellation_comment: Option<String>,
    }
}

change_body! {
    /// Nothing has to be said.
    KeepSubscriptionRequest {}
}

/// A change of one item. With subscriptionItemId: another price, another quantity, or removeItem. Without it: a new item, with
/// priceId or a price of its own.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct SubscriptionItemChangeRequest {
    /// Stripe's id of the item, from the items of getSubscription; absent for a new item.
    #[schema(nullable = false, example = "si_sandbox")]
    subscription_item_id: Option<String>,
    /// Whether the item goes.
    #[schema(nullable = false, default = false, example = false)]
    remove_item: Option<bool>,
    /// How many.
    #[schema(nullable = false, example = 5, minimum = 1, maximum = 999999)]
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
    /// How often unitAmount is charged: day, week, month or year. All items of a subscription agree.
    #[schema(nullable = false, example = "month")]
    billing_interval: Option<String>,
    /// Every so many intervals; 1 if absent.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 1095)]
    billing_interval_count: Option<i64>,
}

/// One product in a subscription to create: `priceId`, or a price of its own with `unitAmount` or `unitAmountMinor`,
/// `currencyCode`, `productId` and `billingInterval`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct SubscriptionItemRequest {
    /// Stripe's id of the price.
    #[schema(nullable = false, example = "price_sandbox_monthly")]
    price_id: Option<String>,
    /// How many; 1 if absent.
    #[schema(nullable = false, example = 3, minimum = 1, maximum = 999999)]
    quantity: Option<i64>,
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

answer_body! {
    /// A subscription at Stripe.
    Subscription {
        /// Stripe's id.
        #[schema(example = "sub_1PqXyZ2eZvKYlo2Cabcdefgh")]
        stripe_id: String,
        /// Incomplete, Expired, Trialing, Active, Past Due, Unpaid, Paused or Canceled; absent when Stripe says something new.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Active")]
        status: Option<String>,
        /// The status as Stripe says it; new ones may be added.
        #[schema(example = "active")]
        stripe_status: String,
        /// Stripe's id of the customer who pays.
        #[schema(example = "cus_NffrFeUfNV2Hib")]
        customer_id: String,
        /// What is subscribed to.
        items: Vec<SubscriptionItem>,
        /// When the trial ends.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-12-04T16:00:00Z")]
        trial_end: Option<String>,
        /// Whether it ends with the current period.
        #[schema(example = false)]
        cancel_at_period_end: bool,
        /// When it was cancelled, or when the end was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-12-04T16:00:00Z")]
        canceled_at: Option<String>,
        /// charge_automatically or send_invoice.
        #[schema(example = "charge_automatically")]
        collection_method: String,
        /// Stripe's id of the newest invoice.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "in_1PqXyZ2eZvKYlo2Cabcdefgh")]
        latest_invoice_id: Option<String>,
        /// Upper-case code.
        #[schema(example = "USD")]
        currency_code: String,
        /// Whether it is real money.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
        /// When it ends, if an end was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-12-20T16:00:00Z")]
        cancel_at: Option<String>,
        /// keep_as_draft, mark_uncollectible or void while the collection of its invoices rests; absent otherwise.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "keep_as_draft")]
        paused_collection: Option<String>,
        /// When that rest ends by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2027-01-01T00:00:00Z")]
        collection_resumes_at: Option<String>,
        /// Days to pay an invoice, with send_invoice.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = 30)]
        days_until_due: Option<i64>,
        /// Stripe's id of the schedule that manages it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "sub_sched_1PqXyZ2eZvKYlo2Cabcdefgh")]
        subscription_schedule_id: Option<String>,
        /// Free text, seen by the customer on invoices.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Fleet telemetry, north")]
        description: Option<String>,
    }
}

/// One product in a subscription.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionItem {
    /// Stripe's id.
    #[schema(example = "si_QhXyZ2eZvKYlo2")]
    stripe_id: String,
    /// Stripe's id of the price.
    #[schema(example = "price_1PqXyZ2eZvKYlo2Cabcdefgh")]
    price_id: String,
    /// Stripe's id of the product.
    #[schema(example = "prod_QhXyZ2eZvKYlo2")]
    product_id: String,
    /// What one unit costs in major units; absent for tiered prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "49.00")]
    unit_amount: Option<String>,
    /// The same in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 4900)]
    unit_amount_minor: Option<i64>,
    /// Upper-case code.
    #[schema(example = "USD")]
    currency_code: String,
    /// day, week, month or year.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "month")]
    billing_interval: Option<String>,
    /// Every so many intervals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1)]
    billing_interval_count: Option<i64>,
    /// How many; absent for metered prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    quantity: Option<i64>,
    /// Begin of the period that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
    current_period_start: Option<String>,
    /// End of the period that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-12-20T16:00:00Z")]
    current_period_end: Option<String>,
}

/// Creates a subscription.
#[utoipa::path(
    post, path = "/v1/subscriptions", operation_id = "createSubscription", tag = "subscriptions",
    request_body(content = CreateSubscriptionRequest, example = json!({
        "customerId": "cus_sandbox", "items": [{ "priceId": "price_sandbox_monthly", "quantity": 3 }],
        "salesforceRecordId": "006Kj000002NwArIAK"
    })),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed, or the payment was declined.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_subscription(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateSubscription>(asked).await
}

/// Creates up to 200 subscriptions. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/subscriptions/bulk", operation_id = "createSubscriptionsBulk", tag = "subscriptions",
    request_body(content = CreateSubscriptionsBulkRequest, example = json!({ "items": [
        { "customerId": "cus_sandbox", "items": [{ "priceId": "price_sandbox_monthly" }],
          "paymentBehavior": "default_incomplete", "salesforceRecordId": "801Kj000001NwRdIAK" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_subscriptions_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateSubscription>(asked).await
}

/// Gets a subscription as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/subscriptions/{subscriptionId}", operation_id = "getSubscription", tag = "subscriptions",
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_sandbox")),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_subscription(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Subscription, Subscription>(reading, "subscription", "subscriptionId").await
}

/// Changes what is subscribed to: quantities, prices, items that come or go.
#[utoipa::path(
    post, path = "/v1/subscriptions/{subscriptionId}/items", operation_id = "changeSubscriptionItems", tag = "subscriptions",
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_sandbox")),
    request_body(content = ChangeSubscriptionItemsRequest, example = json!({
        "items": [{ "subscriptionItemId": "si_sandbox", "quantity": 5 }], "prorationBehavior": "create_prorations"
    })),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed, or the payment was declined.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn change_subscription_items(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ChangeSubscriptionItems>(asked).await
}

/// Lets a subscription rest until it is resumed. One that is managed by a schedule cannot be paused as a whole.
#[utoipa::path(
    post, path = "/v1/subscriptions/{subscriptionId}/pause", operation_id = "pauseSubscription", tag = "subscriptions",
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_sandbox_to_pause")),
    request_body(content = PauseSubscriptionRequest, example = json!({ "pauseBehavior": "subscription" })),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn pause_subscription(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<PauseSubscription>(asked).await
}

/// Ends the rest of a subscription. One that was paused as a whole can be resumed only if it is charged automatically.
#[utoipa::path(
    post, path = "/v1/subscriptions/{subscriptionId}/resume", operation_id = "resumeSubscription", tag = "subscriptions",
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_sandbox_paused")),
    request_body(content = ResumeSubscriptionRequest, example = json!({ "billingPeriod": "new_period" })),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn resume_subscription(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ResumeSubscription>(asked).await
}

/// Ends a subscription, with the period that is paid for or now.
#[utoipa::path(
    post, path = "/v1/subscriptions/{subscriptionId}/cancel", operation_id = "cancelSubscription", tag = "subscriptions",
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_sandbox_unwanted")),
    request_body(content = CancelSubscriptionRequest, example = json!({ "cancelWhen": "period_end" })),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn cancel_subscription(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CancelSubscription>(asked).await
}

/// Takes back a cancellation at the end of the period, before that end.
#[utoipa::path(
    post, path = "/v1/subscriptions/{subscriptionId}/keep", operation_id = "keepSubscription", tag = "subscriptions",
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_sandbox_ending")),
    request_body(content = KeepSubscriptionRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn keep_subscription(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<KeepSubscription>(asked).await
}

/// See [`create_subscription`].
pub(super) struct CreateSubscription;

impl Action for CreateSubscription {
    const NAME: &'static str = "createSubscription";
    const OBJECT: &'static str = "subscription";
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = required_customer(fields);
        let items = fields.list("items", 20, read_item);
        if items.is_empty() && !fields.has_fault("items") {
            fields.missing("items", "1 to 20 items", r#"[{"priceId":"price_…","quantity":1}]"#);
        }
        let trial_period_days = fields.whole("trialDays", 1..=730);
        let words =
            [TrialEnd::CreateInvoice, TrialEnd::Pause, TrialEnd::Cancel].map(|what| (what.word(), what));
        let trial_end_behavior = fields.word("trialEndBehavior", &words);
        if trial_end_behavior.is_some() && trial_period_days.is_none() && !fields.has_fault("trialDays") {
            let expected = Some("trialDays: 14");
            fields.fault("trialEndBehavior", "only makes sense with a trial", expected, None);
        }
        let (collection_method, days_until_due) = collection(fields);
        let description = fields.text("description", 500, "Fleet telemetry, north");
        let default_payment_method = fields.stripe_id("defaultPaymentMethodId", "", "pm_card_visa");
        let words = [
            PaymentBehavior::AllowIncomplete,
            PaymentBehavior::DefaultIncomplete,
            PaymentBehavior::ErrorIfIncomplete,
        ]
        .map(|behavior| (behavior.word(), behavior));
        let payment_behavior = fields.word("paymentBehavior", &words);
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let wanted = stripe::CreateSubscription {
            customer: customer?,
            items: items.into_iter().collect::<Option<_>>()?,
            trial_period_days,
            collection_method,
            days_until_due,
            default_payment_method,
            payment_behavior,
            trial_end_behavior,
            description,
            metadata,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::Subscription) -> Subscription {
        Subscription::from(object)
    }
}

/// Reads one [`SubscriptionItemRequest`].
pub(super) fn read_item(fields: &mut Fields) -> Option<NewItem> {
    let quantity = fields.whole("quantity", 1..=999_999);
    let price = read_price(fields, Suits::Recurring)?;
    Some(NewItem { price, quantity })
}

/// See [`change_subscription_items`].
pub(super) struct ChangeSubscriptionItems;

impl Action for ChangeSubscriptionItems {
    const NAME: &'static str = "changeSubscriptionItems";
    const OBJECT: &'static str = "subscription";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let items = fields.list("items", 20, read_change);
        if items.is_empty() && !fields.has_fault("items") {
            fields.missing("items", "1 to 20 items", r#"[{"subscriptionItemId":"si_…","quantity":5}]"#);
        }
        let proration = read_proration(fields);
        let (id, key) = change(fields, head, Self::NAME, "subscriptionId");
        let items = items.into_iter().collect::<Option<_>>()?;
        Some((stripe::ChangeItems { items, proration }.request(&id?), key))
    }

    fn answer(object: stripe::objects::Subscription) -> Subscription {
        Subscription::from(object)
    }
}

/// Reads one [`SubscriptionItemChangeRequest`].
pub(super) fn read_change(fields: &mut Fields) -> Option<ChangeItem> {
    let id = fields.stripe_id("subscriptionItemId", "si_", "si_sandbox");
    let remove = fields.flag("removeItem").unwrap_or(false);
    let quantity = fields.whole("quantity", 1..=999_999);
    let says_price = says_price(fields);
    if id.is_none() && !says_price && (remove || fields.has_fault("subscriptionItemId")) {
        know_price(fields);
        if !fields.has_fault("subscriptionItemId") {
            fields.missing("subscriptionItemId", "the item that goes", "si_sandbox");
        }
        return None;
    }
    let price = if id.is_none() || says_price {
        Some(read_price(fields, Suits::Recurring)?)
    } else {
        know_price(fields);
        None
    };
    if remove && (quantity.is_some() || price.is_some()) {
        let problem = "is given together with a price or a quantity; send one or the other";
        fields.fault("removeItem", problem, None, None);
    } else if !remove
        && id.is_some()
        && quantity.is_none()
        && price.is_none()
        && !fields.has_fault("quantity")
    {
        fields.missing("quantity", "what changes: quantity, priceId or removeItem", "5");
    }
    Some(ChangeItem { id, price, quantity, remove })
}

fn read_proration(fields: &mut Fields) -> Proration {
    let words = [Proration::CreateProrations, Proration::AlwaysInvoice, Proration::None];
    let words = words.map(|proration| (proration.word(), proration));
    fields.word("prorationBehavior", &words).unwrap_or(Proration::CreateProrations)
}

/// See [`pause_subscription`].
pub(super) struct PauseSubscription;

impl Action for PauseSubscription {
    const NAME: &'static str = "pauseSubscription";
    const OBJECT: &'static str = "subscription";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let words = [Pause::Subscription, Pause::KeepAsDraft, Pause::MarkUncollectible, Pause::Void];
        let words = words.map(|pause| (pause.word(), pause));
        let pause = fields.word("pauseBehavior", &words).unwrap_or(Pause::Subscription);
        let resumes_at = fields.moment("collectionResumesAt");
        if pause == Pause::Subscription && resumes_at.is_some() && !fields.has_fault("pauseBehavior") {
            let expected = "pauseBehavior: keep_as_draft, mark_uncollectible or void";
            let problem = "only makes sense where the collection alone rests";
            fields.fault("collectionResumesAt", problem, Some(expected), None);
        }
        let (id, key) = change(fields, head, Self::NAME, "subscriptionId");
        Some((stripe::pause_subscription(&id?, pause, resumes_at), key))
    }

    fn answer(object: stripe::objects::Subscription) -> Subscription {
        Subscription::from(object)
    }
}

/// See [`resume_subscription`].
pub(super) struct ResumeSubscription;

impl Action for ResumeSubscription {
    const NAME: &'static str = "resumeSubscription";
    const OBJECT: &'static str = "subscription";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let only_collection =
            fields.word("resumeWhat", &[("subscription", false), ("collection", true)]).unwrap_or(false);
        for name in ["billingPeriod", "prorationBehavior"] {
            if only_collection && fields.peek(name) {
                let problem = "makes no sense for the collection alone: its periods went on";
                fields.fault(name, problem, Some("resumeWhat: subscription"), None);
            }
        }
        let new_period =
            fields.word("billingPeriod", &[("new_period", true), ("same_period", false)]).unwrap_or(true);
        let proration = read_proration(fields);
        let (id, key) = change(fields, head, Self::NAME, "subscriptionId");
        let id = id?;
        let request = if only_collection {
            stripe::resume_collection(&id)
        } else {
            stripe::resume_subscription(&id, new_period, proration)
        };
        Some((request, key))
    }

    fn answer(object: stripe::objects::Subscription) -> Subscription {
        Subscription::from(object)
    }
}

/// See [`cancel_subscription`].
pub(super) struct CancelSubscription;

impl Action for CancelSubscription {
    const NAME: &'static str = "cancelSubscription";
    const OBJECT: &'static str = "subscription";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let now = fields.word("cancelWhen", &[("period_end", false), ("now", true)]).unwrap_or(false);
        let invoice_now = fields.flag("invoiceNow").unwrap_or(false);
        let prorate = fields.flag("prorate").unwrap_or(false);
        for (name, asked) in [("invoiceNow", invoice_now), ("prorate", prorate)] {
            if asked && !now && !fields.has_fault("cancelWhen") {
                fields.fault(name, "only makes sense with now", Some("cancelWhen: now"), None);
            }
        }
        let comment = fields.text("cancellationComment", 500, "moved to another product");
        let (id, key) = change(fields, head, Self::NAME, "subscriptionId");
        let id = id?;
        let request = if now {
            stripe::cancel_subscription(&id, invoice_now, prorate, comment.as_deref())
        } else {
            stripe::cancel_at_period_end(&id, true, comment.as_deref())
        };
        Some((request, key))
    }

    fn answer(object: stripe::objects::Subscription) -> Subscription {
        Subscription::from(object)
    }
}

/// See [`keep_subscription`].
pub(super) struct KeepSubscription;

impl Action for KeepSubscription {
    const NAME: &'static str = "keepSubscription";
    const OBJECT: &'static str = "subscription";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "subscriptionId");
        Some((stripe::cancel_at_period_end(&id?, false, None), key))
    }

    fn answer(object: stripe::objects::Subscription) -> Subscription {
        Subscription::from(object)
    }
}

impl From<stripe::objects::Subscription> for Subscription {
    fn from(subscription: stripe::objects::Subscription) -> Self {
        Self {
            status: subscription.plain_status().map(str::to_owned),
            customer_id: subscription.customer.id().to_owned(),
            items: subscription.items.data.into_iter().map(SubscriptionItem::from).collect(),
            trial_end: subscription.trial_end.and_then(timestamp),
            cancel_at: subscription.cancel_at.and_then(timestamp),
            collection_resumes_at: subscription
                .pause_collection
                .as_ref()
                .and_then(|pause| pause.resumes_at)
                .and_then(timestamp),
            subscription_schedule_id: subscription.schedule.as_ref().map(|it| it.id().to_owned()),
            days_until_due: subscription.days_until_due,
            canceled_at: subscription.canceled_at.and_then(timestamp),
            latest_invoice_id: subscription.latest_invoice.as_ref().map(|invoice| invoice.id().to_owned()),
            currency_code: subscription.currency.to_uppercase(),
            stripe_created_at: timestamp(subscription.created),
            metadata: entries(&subscription.metadata),
            stripe_id: subscription.id,
            stripe_status: subscription.status,
            cancel_at_period_end: subscription.cancel_at_period_end,
            collection_method: subscription.collection_method,
            paused_collection: subscription.pause_collection.map(|pause| pause.behavior),
            description: subscription.description,
            livemode: subscription.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}

impl From<stripe::objects::SubscriptionItem> for SubscriptionItem {
    fn from(item: stripe::objects::SubscriptionItem) -> Self {
        let price = item.price;
        let (interval, count) =
            price.recurring.map_or((None, None), |it| (Some(it.interval), Some(it.interval_count)));
        Self {
            product_id: price.product.id().to_owned(),
            unit_amount: price.unit_amount.and_then(|amount| major(amount, &price.currency)),
            unit_amount_minor: price.unit_amount,
            currency_code: price.currency.to_uppercase(),
            billing_interval: interval,
            billing_interval_count: count,
            quantity: item.quantity,
            current_period_start: item.current_period_start.and_then(timestamp),
            current_period_end: item.current_period_end.and_then(timestamp),
            stripe_id: item.id,
            price_id: price.id,
        }
    }
}
