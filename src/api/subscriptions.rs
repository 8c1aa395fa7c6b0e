//! Subscriptions: create, get.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::ApiState;
use super::action::{Action, Head, Kind, Resource};
use super::amounts::{self, UNIT_AMOUNT, major};
use super::answer::{RequestId, json, timestamp};
use super::auth::{Caller, Scope};
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::{MetadataEntry, entries};
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::request::{Common, common, request_body};
use crate::stripe::{self, CollectionMethod, Interval, NewItem, NewPrice, PaymentBehavior};

/// Everything about subscriptions.
pub(super) const RESOURCE: Resource =
    Resource { actions: &[Kind::of::<CreateSubscription>()], routes, paths: Paths::openapi };

#[derive(OpenApi)]
#[openapi(paths(create_subscription, create_subscriptions_bulk, get_subscription))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/subscriptions").route(web::post().to(create_subscription)))
        .service(web::resource("/subscriptions/bulk").route(web::post().to(create_subscriptions_bulk)))
        .service(web::resource("/subscriptions/{subscriptionId}").route(web::get().to(get_subscription)));
}

request_body! {
    /// A subscription to create.
    CreateSubscriptionRequest {
        /// Stripe's id of the customer who pays.
        #[schema(example = "cus_NffrFeUfNV2Hib")]
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

/// One product in a subscription to create: `priceId`, or a price of its own with `unitAmount` or `unitAmountMinor`,
/// `currencyCode`, `productId` and `billingInterval`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct SubscriptionItemRequest {
    /// Stripe's id of the price.
    #[schema(nullable = false, example = "price_1PqXyZ2eZvKYlo2Cabcdefgh")]
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
    #[schema(nullable = false, example = "prod_QhXyZ2eZvKYlo2")]
    product_id: Option<String>,
    /// How often unitAmount is charged: day, week, month or year.
    #[schema(nullable = false, example = "month")]
    billing_interval: Option<String>,
    /// Every so many intervals; 1 if absent.
    #[schema(nullable = false, example = 1, minimum = 1, maximum = 156)]
    billing_interval_count: Option<i64>,
}

/// A subscription at Stripe.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
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
    /// Notes, the links to Salesforce records among them.
    metadata: Vec<MetadataEntry>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
    /// The key the creation travelled under.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "paybridge-createSubscription-006D000000IRFmaIAH")]
    idempotency_key: Option<String>,
    /// Whether this is the answer of an earlier call with the same key, and nothing was done now.
    #[schema(example = false)]
    idempotency_replayed: bool,
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
        "customerId": "cus_NffrFeUfNV2Hib", "items": [{ "priceId": "price_sandbox_monthly", "quantity": 3 }],
        "paymentBehavior": "default_incomplete"
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
        { "customerId": "cus_NffrFeUfNV2Hib", "items": [{ "priceId": "price_sandbox_monthly" }],
          "paymentBehavior": "default_incomplete", "salesforceRecordId": "801Kj000002NwArIAK" }
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
    params(("subscriptionId" = String, Path, description = "Stripe's id.", example = "sub_1PqXyZ2eZvKYlo2Cabcdefgh")),
    responses(
        (status = "2XX", description = "The subscription.", body = Subscription),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_subscription(
    state: web::Data<ApiState>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::PaymentsRead)?;
    let subscription =
        state.client(&request)?.subscription(&id).await.map_err(|error| Problem::reading(&error))?;
    let subscription = Subscription { request_id: RequestId::of(&request), ..subscription.into() };
    Ok(json(StatusCode::OK, &subscription))
}

/// See [`create_subscription`].
pub(super) struct CreateSubscription;

impl Action for CreateSubscription {
    const NAME: &'static str = "createSubscription";
    const OBJECT: &'static str = "subscription";
    type Object = stripe::objects::Subscription;
    type Answer = Subscription;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = fields.stripe_id("customerId", "cus_", "cus_NffrFeUfNV2Hib");
        if customer.is_none() && !fields.has_fault("customerId") {
            fields.missing("customerId", "the Stripe id of a customer", "cus_NffrFeUfNV2Hib");
        }
        let items = fields.list("items", 20, read_item);
        if items.is_empty() && !fields.has_fault("items") {
            fields.missing("items", "1 to 20 items", r#"[{"priceId":"price_…","quantity":1}]"#);
        }
        let trial_period_days = fields.whole("trialDays", 1..=730);
        let words = [
            ("charge_automatically", CollectionMethod::ChargeAutomatically),
            ("send_invoice", CollectionMethod::SendInvoice),
        ];
        let collection_method =
            fields.word("collectionMethod", &words).unwrap_or(CollectionMethod::ChargeAutomatically);
        let days_until_due = fields.whole("daysUntilDue", 1..=365);
        match (collection_method, days_until_due) {
            (CollectionMethod::SendInvoice, None) if !fields.has_fault("daysUntilDue") => {
                fields.missing("daysUntilDue", "with send_invoice, the days to pay an invoice", "30");
            }
            (CollectionMethod::ChargeAutomatically, Some(_)) => {
                let expected = "collectionMethod: send_invoice";
                fields.fault("daysUntilDue", "only makes sense with send_invoice", Some(expected), None);
            }
            _ => {}
        }
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
    let price = fields.stripe_id("priceId", "", "price_1PqXyZ2eZvKYlo2Cabcdefgh");
    let own = [
        "unitAmount",
        "unitAmountMinor",
        "currencyCode",
        "productId",
        "billingInterval",
        "billingIntervalCount",
    ];
    if let Some(name) = own.into_iter().find(|name| fields.peek(name)) {
        if price.is_some() {
            fields.fault(name, "is given together with `priceId`; send one or the other", None, None);
        }
    } else if price.is_some() || fields.has_fault("priceId") {
        fields.know(&own);
        return price.map(|price| NewItem { price: NewPrice::Existing(price), quantity });
    }
    let amount = amounts::read(fields, &UNIT_AMOUNT, 0);
    let product = fields.stripe_id("productId", "", "prod_QhXyZ2eZvKYlo2");
    if product.is_none() && !fields.has_fault("productId") {
        fields.missing("productId", "without priceId, the id of a product", "prod_QhXyZ2eZvKYlo2");
    }
    let words = [Interval::Day, Interval::Week, Interval::Month, Interval::Year].map(|one| (one.word(), one));
    let interval = fields.word("billingInterval", &words);
    if interval.is_none() && !fields.has_fault("billingInterval") {
        fields.missing("billingInterval", "without priceId, one of day, week, month, year", "month");
    }
    let interval_count = fields.whole("billingIntervalCount", 1..=156).unwrap_or(1);
    let amount = amount?;
    let currency = amount.currency().code().to_owned();
    let price = NewPrice::Inline {
        unit_amount: amount.minor(),
        currency,
        product: product?,
        interval: interval?,
        interval_count,
    };
    Some(NewItem { price, quantity })
}

impl From<stripe::objects::Subscription> for Subscription {
    fn from(subscription: stripe::objects::Subscription) -> Self {
        Self {
            status: subscription.plain_status().map(str::to_owned),
            customer_id: subscription.customer.id().to_owned(),
            items: subscription.items.data.into_iter().map(SubscriptionItem::from).collect(),
            trial_end: subscription.trial_end.and_then(timestamp),
            canceled_at: subscription.canceled_at.and_then(timestamp),
            latest_invoice_id: subscription.latest_invoice.as_ref().map(|invoice| invoice.id().to_owned()),
            currency_code: subscription.currency.to_uppercase(),
            stripe_created_at: timestamp(subscription.created),
            metadata: entries(&subscription.metadata),
            stripe_id: subscription.id,
            stripe_status: subscription.status,
            cancel_at_period_end: subscription.cancel_at_period_end,
            collection_method: subscription.collection_method,
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
