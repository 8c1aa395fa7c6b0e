//! Payment links: create, get, deactivate.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::entries;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, change, change_body, common, request_body, url};
use super::sales::{self, LineItemRequest};
use crate::stripe;

/// Everything about payment links.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[Kind::of::<CreatePaymentLink>(), Kind::of::<DeactivatePaymentLink>()],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(create_payment_link, create_payment_links_bulk, get_payment_link, deactivate_payment_link))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/payment-links").route(web::post().to(create_payment_link)))
        .service(web::resource("/payment-links/bulk").route(web::post().to(create_payment_links_bulk)))
        .service(web::resource("/payment-links/{paymentLinkId}").route(web::get().to(get_payment_link)))
        .service(
            web::resource("/payment-links/{paymentLinkId}/deactivate")
                .route(web::post().to(deactivate_payment_link)),
        );
}

request_body! {
    /// A page that stays open, for whoever has its address. Send amount, currencyCode and itemName, or lineItems.
    CreatePaymentLinkRequest {
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
        #[schema(nullable = false, max_items = 20)]
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
        /// After so many payments the link is closed; 1 for an invoice or a deposit that is paid once.
        #[schema(nullable = false, example = 1, minimum = 1, maximum = 1000000)]
        payments_limit: Option<i64>,
        /// Where the payer goes after paying; Stripe's own page thanks if absent.
        #[schema(nullable = false, example = "https://example.com/paid", max_length = 2048)]
        redirect_url: Option<String>,
        /// What Stripe's page says after paying, instead of redirectUrl.
        #[schema(nullable = false, example = "Thank you. Your arm is on its way.", max_length = 500)]
        confirmation_message: Option<String>,
        /// Ways of paying to offer, in Stripe's words, like card; those of the account's settings if absent.
        #[schema(nullable = false, example = json!(["card"]), max_items = 50)]
        payment_method_types: Option<Vec<String>>,
    }
}

bulk_body! {
    /// Payment links to create.
    CreatePaymentLinksBulkRequest of CreatePaymentLinkRequest
}

change_body! {
    /// Nothing has to be said.
    DeactivatePaymentLinkRequest {
        /// What the closed page says.
        #[schema(nullable = false, example = "This offer has ended. Please call us.", max_length = 500)]
        inactive_message: Option<String>,
    }
}

answer_body! {
    /// A page that stays open for whoever has its address.
    PaymentLink {
        /// Stripe's id.
        #[schema(example = "plink_1PqXyZ2eZvKYlo2Cabcdefgh")]
        stripe_id: String,
        /// Active or Inactive.
        #[schema(example = "Active")]
        status: String,
        /// The page to send the payer to.
        #[schema(example = "https://buy.stripe.com/test_jE1BbJBmrsXLN3JoC5")]
        url: String,
        /// Upper-case code.
        #[schema(example = "EUR")]
        currency_code: String,
        /// Whether it can be paid on.
        #[schema(example = true)]
        is_active: bool,
        /// So many payments there may be.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = 1)]
        payments_limit: Option<i64>,
        /// So many there were; absent without a limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = 0)]
        payments_count: Option<i64>,
        /// Whether it is real money.
        #[schema(example = false)]
        livemode: bool,
    }
}

/// Creates a page that whoever has its address can pay on. Put the url of the answer into an e-mail or on a record.
#[utoipa::path(
    post, path = "/v1/payment-links", operation_id = "createPaymentLink", tag = "checkout",
    request_body(content = CreatePaymentLinkRequest, example = json!({
        "amount": "129.90", "currencyCode": "EUR", "itemName": "Welding arm, deposit", "paymentsLimit": 1,
        "salesforceRecordId": "006Kj000002NwArIAK"
    })),
    responses(
        (status = "2XX", description = "The link.", body = PaymentLink),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_payment_link(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreatePaymentLink>(asked).await
}

/// Creates up to 200 links. Results come in the order of the items, each with its url, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/payment-links/bulk", operation_id = "createPaymentLinksBulk", tag = "checkout",
    request_body(content = CreatePaymentLinksBulkRequest, example = json!({ "items": [{
        "amount": "129.90", "currencyCode": "EUR", "itemName": "Welding arm, deposit", "paymentsLimit": 1,
        "salesforceRecordId": "801Kj000001NwRdIAK"
    }] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_payment_links_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreatePaymentLink>(asked).await
}

/// Gets a link as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/payment-links/{paymentLinkId}", operation_id = "getPaymentLink", tag = "checkout",
    params(("paymentLinkId" = String, Path, description = "Stripe's id.", example = "plink_sandbox")),
    responses(
        (status = "2XX", description = "The link.", body = PaymentLink),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_payment_link(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::PaymentLink, PaymentLink>(reading, "payment_link", "paymentLinkId").await
}

/// Closes a link; it cannot be paid on any more.
#[utoipa::path(
    post, path = "/v1/payment-links/{paymentLinkId}/deactivate", operation_id = "deactivatePaymentLink", tag = "checkout",
    params(("paymentLinkId" = String, Path, description = "Stripe's id.", example = "plink_sandbox_unwanted")),
    request_body(content = DeactivatePaymentLinkRequest, example = json!({ "inactiveMessage": "This offer has ended. Please call us." })),
    responses(
        (status = "2XX", description = "The link.", body = PaymentLink),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn deactivate_payment_link(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<DeactivatePaymentLink>(asked).await
}

/// See [`create_payment_link`].
pub(super) struct CreatePaymentLink;

impl Action for CreatePaymentLink {
    const NAME: &'static str = "createPaymentLink";
    const OBJECT: &'static str = "payment_link";
    type Object = stripe::objects::PaymentLink;
    type Answer = PaymentLink;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let redirect_url = url(fields, "redirectUrl");
        let confirmation_message = fields.text("confirmationMessage", 500, "Thank you.");
        if redirect_url.is_some() && confirmation_message.is_some() {
            let problem = "is given together with `redirectUrl`; send one or the other";
            fields.fault("confirmationMessage", problem, None, None);
        }
        let most_payments = fields.whole("paymentsLimit", 1..=1_000_000);
        let payment_method_types = fields.words("paymentMethodTypes", 50, "card");
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let sale = sales::read(fields, 20, metadata);
        let wanted = stripe::CreatePaymentLink {
            sale: sale?,
            redirect_url,
            confirmation_message,
            most_payments,
            payment_method_types,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::PaymentLink) -> PaymentLink {
        PaymentLink::from(object)
    }
}

/// See [`deactivate_payment_link`].
pub(super) struct DeactivatePaymentLink;

impl Action for DeactivatePaymentLink {
    const NAME: &'static str = "deactivatePaymentLink";
    const OBJECT: &'static str = "payment_link";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::PaymentLink;
    type Answer = PaymentLink;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let message = fields.text("inactiveMessage", 500, "This offer has ended.");
        let (id, key) = change(fields, head, Self::NAME, "paymentLinkId");
        Some((stripe::deactivate_payment_link(&id?, message.as_deref()), key))
    }

    fn answer(object: stripe::objects::PaymentLink) -> PaymentLink {
        PaymentLink::from(object)
    }
}

impl From<stripe::objects::PaymentLink> for PaymentLink {
    fn from(link: stripe::objects::PaymentLink) -> Self {
        let sessions = link.restrictions.as_ref().map(|restrictions| &restrictions.completed_sessions);
        Self {
            status: link.plain_status().to_owned(),
            currency_code: link.currency.to_uppercase(),
            is_active: link.active,
            payments_limit: sessions.map(|sessions| sessions.limit),
            payments_count: sessions.map(|sessions| sessions.count),
            metadata: entries(&link.metadata),
            stripe_id: link.id,
            url: link.url,
            livemode: link.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
