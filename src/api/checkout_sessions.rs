//! Checkout sessions: create, get, expire.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::amounts::major;
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, change, change_body, common, email, request_body, types, url};
use super::sales::{self, LineItemRequest};
use crate::stripe;

/// Everything about checkout sessions.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[Kind::of::<CreateCheckoutSession>(), Kind::of::<ExpireCheckoutSession>()],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(
    create_checkout_session,
    create_checkout_sessions_bulk,
    get_checkout_session,
    expire_checkout_session
))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/checkout-sessions").route(web::post().to(create_checkout_session)))
        .service(
            web::resource("/checkout-sessions/bulk").route(web::post().to(create_checkout_sessions_bulk)),
        )
        .service(
            web::resource("/checkout-sessions/{checkoutSessionId}")
                .route(web::get().to(get_checkout_session)),
        )
        .service(
            web::resource("/checkout-sessions/{checkoutSessionId}/expire")
                .route(web::post().to(expire_checkout_session)),
        );
}

request_body! {
    /// A page for one payer, open for a day. Send amount, currencyCode and itemName, or lineItems.
    CreateCheckoutSessionRequest {
        /// What is paid, in major units, as text, with currencyCode and itemName; a JSON number is taken too, and read exactly.
        /// For more than one line send lineItems instead.
        #[schema(nullable = false, example = "129.90")]
        amount: Option<String>,
        /// Whole minor units (cents, or whole yen), instead of amount.
        #[schema(nullable = false, example = 12990, minimum = 1)]
        amount_minor: Option<i64>,
        /// Three-letter ISO code.
        #[schema(nullable = false, example = "EUR")]
        currency_code: Option<String>,
        /// What is sold, as the payer reads it.
        #[schema(nullable = false, example = "Welding arm, deposit", max_length = 250)]
        item_name: Option<String>,
        /// What is sold, line by line, instead of amount and itemName.
        #[schema(nullable = false, max_items = 100)]
        line_items: Option<Vec<LineItemRequest>>,
        /// payment, or subscription when a line recurs. Needed only where prices are named by priceId: there it cannot be told.
        #[schema(nullable = false, example = "payment")]
        checkout_mode: Option<String>,
        /// automatic takes the money, manual only authorizes it for a later capture; payments only.
        #[schema(nullable = false, default = "automatic", example = "automatic")]
        capture_method: Option<String>,
        /// Days before the first charge; subscriptions only.
        #[schema(nullable = false, example = 14, minimum = 1, maximum = 730)]
        trial_days: Option<i64>,
        /// Free text on the payment or subscription.
        #[schema(nullable = false, example = "Order 00000100", max_length = 500)]
        description: Option<String>,
        /// Whether the payer may enter a promotion code.
        #[schema(nullable = false, default = false, example = false)]
        allow_promotion_codes: Option<bool>,
        /// Where the payer goes after paying. Stripe puts its id in place of {CHECKOUT_SESSION_ID}.
        #[schema(example = "https://example.com/paid", max_length = 2048)]
        success_url: String,
        /// Where the payer goes to turn back.
        #[schema(nullable = false, example = "https://example.com/cart", max_length = 2048)]
        cancel_url: Option<String>,
        /// Stripe's id of the customer who pays. Without it a payment has a guest, and a subscription makes a customer.
        #[schema(nullable = false, example = "cus_sandbox")]
        customer_id: Option<String>,
        /// Instead of customerId: the address that the page is filled in with.
        #[schema(nullable = false, example = "ada@example.com", max_length = 512)]
        customer_email: Option<String>,
        /// When the page closes, 30 minutes to 24 hours from now; a day from now if absent.
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T20:00:00Z")]
        expires_at: Option<String>,
        /// Ways of paying to offer, in Stripe's words, like card; those of the account's settings if absent.
        #[schema(nullable = false, example = json!(["card"]), max_items = 50)]
        allowed_payment_method_types: Option<Vec<String>>,
        /// Ways of paying not to offer.
        #[schema(nullable = false, example = json!(["klarna"]), max_items = 50)]
        excluded_payment_method_types: Option<Vec<String>>,
    }
}

bulk_body! {
    /// Checkout sessions to create.
    CreateCheckoutSessionsBulkRequest of CreateCheckoutSessionRequest
}

change_body! {
    /// Nothing has to be said.
    ExpireCheckoutSessionRequest {}
}

answer_body! {
    /// A page for one payer, and what became of it.
    CheckoutSession {
        /// Stripe's id.
        #[schema(example = "cs_test_a1YS1URlnyQCN5fUUduORoQ7Pw41PJqDWkIVQCpJPqkfIhd6tVY8XB1OLY")]
        stripe_id: String,
        /// Open, Pending (done with, but the bank has not paid yet), Completed or Expired; absent when Stripe says something
        /// new.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Open")]
        status: Option<String>,
        /// The status as Stripe says it; new ones may be added.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "open")]
        stripe_status: Option<String>,
        /// paid, unpaid or no_payment_required.
        #[schema(example = "unpaid")]
        payment_status: String,
        /// The page to send the payer to; absent when it is closed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "https://checkout.stripe.com/c/pay/cs_test_a1b2c3")]
        url: Option<String>,
        /// payment or subscription.
        #[schema(example = "payment")]
        checkout_mode: String,
        /// What is paid, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "129.90")]
        amount_total: Option<String>,
        /// The same in minor units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = 12990)]
        amount_total_minor: Option<i64>,
        /// Upper-case code.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "EUR")]
        currency_code: Option<String>,
        /// Stripe's id of the customer.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
        customer_id: Option<String>,
        /// Stripe's id of the payment, once the payer has tried.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "pi_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        payment_intent_id: Option<String>,
        /// Stripe's id of the subscription, once the payer has paid.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "sub_1PqXyZ2eZvKYlo2Cabcdefgh")]
        subscription_id: Option<String>,
        /// Stripe's id of the subscription's first invoice.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "in_1PqXyZ2eZvKYlo2Cabcdefgh")]
        invoice_id: Option<String>,
        /// Stripe's id of the payment link that opened the page.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "plink_1PqXyZ2eZvKYlo2Cabcdefgh")]
        payment_link_id: Option<String>,
        /// When the page closes by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-21T16:00:00Z")]
        expires_at: Option<String>,
        /// Whether it is real money.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// Creates a page on which one payer pays. Send the payer to the url of the answer.
#[utoipa::path(
    post, path = "/v1/checkout-sessions", operation_id = "createCheckoutSession", tag = "checkout",
    request_body(content = CreateCheckoutSessionRequest, example = json!({
        "amount": "129.90", "currencyCode": "EUR", "itemName": "Welding arm, deposit",
        "successUrl": "https://example.com/paid", "salesforceRecordId": "006Kj000002NwArIAK"
    })),
    responses(
        (status = "2XX", description = "The page.", body = CheckoutSession),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_checkout_session(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateCheckoutSession>(asked).await
}

/// Creates up to 200 pages. Results come in the order of the items, each with its url, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/checkout-sessions/bulk", operation_id = "createCheckoutSessionsBulk", tag = "checkout",
    request_body(content = CreateCheckoutSessionsBulkRequest, example = json!({ "items": [{
        "amount": "129.90", "currencyCode": "EUR", "itemName": "Welding arm, deposit",
        "successUrl": "https://example.com/paid", "salesforceRecordId": "801Kj000001NwRdIAK"
    }] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_checkout_sessions_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateCheckoutSession>(asked).await
}

/// Gets a page as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/checkout-sessions/{checkoutSessionId}", operation_id = "getCheckoutSession", tag = "checkout",
    params(("checkoutSessionId" = String, Path, description = "Stripe's id.", example = "cs_test_sandbox")),
    responses(
        (status = "2XX", description = "The page.", body = CheckoutSession),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_checkout_session(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::CheckoutSession, CheckoutSession>(reading, "checkout.session", "checkoutSessionId")
        .await
}

/// Closes a page that is open; it cannot be paid any more.
#[utoipa::path(
    post, path = "/v1/checkout-sessions/{checkoutSessionId}/expire", operation_id = "expireCheckoutSession", tag = "checkout",
    params(("checkoutSessionId" = String, Path, description = "Stripe's id.", example = "cs_test_sandbox_unwanted")),
    request_body(content = ExpireCheckoutSessionRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The page.", body = CheckoutSession),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn expire_checkout_session(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ExpireCheckoutSession>(asked).await
}

/// See [`create_checkout_session`].
pub(super) struct CreateCheckoutSession;

impl Action for CreateCheckoutSession {
    const NAME: &'static str = "createCheckoutSession";
    const OBJECT: &'static str = "checkout.session";
    type Object = stripe::objects::CheckoutSession;
    type Answer = CheckoutSession;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let success_url = url(fields, "successUrl");
        if success_url.is_none() && !fields.has_fault("successUrl") {
            fields.missing("successUrl", "where the payer goes after paying", "https://example.com/paid");
        }
        let cancel_url = url(fields, "cancelUrl");
        let customer = fields.stripe_id("customerId", "cus_", "cus_sandbox");
        let customer_email = email(fields, "customerEmail");
        if customer.is_some() && customer_email.is_some() {
            let problem = "is given together with `customerId`; send one or the other";
            fields.fault("customerEmail", problem, None, None);
        }
        let expires_at = fields.moment("expiresAt");
        let (allowed_types, excluded_types) = types(fields);
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let sale = sales::read(fields, 100, metadata)?;
        let wanted = stripe::CreateCheckoutSession {
            client_reference_id: sale.metadata.get("sf_record_id").cloned(),
            sale,
            success_url: success_url?,
            cancel_url,
            customer,
            customer_email,
            expires_at,
            allowed_types,
            excluded_types,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::CheckoutSession) -> CheckoutSession {
        CheckoutSession::from(object)
    }
}

/// See [`expire_checkout_session`].
pub(super) struct ExpireCheckoutSession;

impl Action for ExpireCheckoutSession {
    const NAME: &'static str = "expireCheckoutSession";
    const OBJECT: &'static str = "checkout.session";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::CheckoutSession;
    type Answer = CheckoutSession;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "checkoutSessionId");
        Some((stripe::expire_checkout_session(&id?), key))
    }

    fn answer(object: stripe::objects::CheckoutSession) -> CheckoutSession {
        CheckoutSession::from(object)
    }
}

impl From<stripe::objects::CheckoutSession> for CheckoutSession {
    fn from(session: stripe::objects::CheckoutSession) -> Self {
        let currency = session.currency.as_deref();
        Self {
            status: session.plain_status().map(str::to_owned),
            amount_total: session
                .amount_total
                .zip(currency)
                .and_then(|(total, currency)| major(total, currency)),
            amount_total_minor: session.amount_total,
            currency_code: currency.map(str::to_uppercase),
            customer_id: session.customer.as_ref().map(|customer| customer.id().to_owned()),
            payment_intent_id: session.payment_intent.as_ref().map(|intent| intent.id().to_owned()),
            subscription_id: session.subscription.as_ref().map(|subscription| subscription.id().to_owned()),
            invoice_id: session.invoice.as_ref().map(|invoice| invoice.id().to_owned()),
            payment_link_id: session.payment_link.as_ref().map(|link| link.id().to_owned()),
            expires_at: timestamp(session.expires_at),
            stripe_created_at: timestamp(session.created),
            metadata: entries(&session.metadata),
            stripe_id: session.id,
            stripe_status: session.status,
            payment_status: session.payment_status,
            url: session.url,
            checkout_mode: session.mode,
            livemode: session.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
