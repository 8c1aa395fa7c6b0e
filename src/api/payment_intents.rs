//! Payment intents: create (and try to collect), get, confirm, capture, cancel.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::amounts::{self, AMOUNT, Part, major, read_part};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::Reading;
use super::request::{Common, change, change_body, common, email, request_body, types, url};
use crate::stripe::{self, CaptureMethod};

/// Everything about payments.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[
        Kind::of::<CreatePaymentIntent>(),
        Kind::of::<ConfirmPaymentIntent>(),
        Kind::of::<CapturePaymentIntent>(),
        Kind::of::<CancelPaymentIntent>(),
    ],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(
    create_payment_intent,
    create_payment_intents_bulk,
    get_payment_intent,
    confirm_payment_intent,
    capture_payment_intent,
    cancel_payment_intent
))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    let of = |step: &str| web::resource(format!("/payment-intents/{{paymentIntentId}}{step}"));
    app.service(web::resource("/payment-intents").route(web::post().to(create_payment_intent)))
        .service(web::resource("/payment-intents/bulk").route(web::post().to(create_payment_intents_bulk)))
        .service(of("").route(web::get().to(get_payment_intent)))
        .service(of("/confirm").route(web::post().to(confirm_payment_intent)))
        .service(of("/capture").route(web::post().to(capture_payment_intent)))
        .service(of("/cancel").route(web::post().to(cancel_payment_intent)));
}

request_body! {
    /// A payment to create. Send `amount` or `amountMinor`, with `currencyCode`.
    CreatePaymentIntentRequest {
        /// Decimal amount in major units, as text; a JSON number is taken too, and read exactly.
        #[schema(nullable = false, example = "129.90")]
        amount: Option<String>,
        /// Whole minor units (cents, or whole yen), instead of amount.
        #[schema(nullable = false, example = 12990, minimum = 1)]
        amount_minor: Option<i64>,
        /// Three-letter ISO code.
        #[schema(example = "USD")]
        currency_code: String,
        /// Stripe's id of the customer who pays.
        #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
        customer_id: Option<String>,
        /// Stripe's id of the payment method. Required with confirm.
        #[schema(nullable = false, example = "pm_card_visa")]
        payment_method_id: Option<String>,
        /// Whether to try to collect the money at once. Without it the payer completes the payment.
        #[schema(nullable = false, default = false, example = true)]
        confirm: Option<bool>,
        /// Whether the payer is absent and cannot authenticate; only with confirm.
        #[schema(nullable = false, default = false, example = false)]
        off_session: Option<bool>,
        /// automatic takes the money, manual only authorizes it for a later capture.
        #[schema(nullable = false, default = "automatic", example = "automatic")]
        capture_method: Option<String>,
        /// Free text, seen in the Stripe Dashboard and by the payer.
        #[schema(nullable = false, example = "Order 00000100", max_length = 1000)]
        description: Option<String>,
        /// Where Stripe sends the receipt.
        #[schema(nullable = false, example = "ada@example.com", max_length = 512)]
        receipt_email: Option<String>,
        /// Where the payer returns to from a page of the bank; only with confirm. Without it, ways of paying that send the
        /// payer elsewhere are not offered.
        #[schema(nullable = false, example = "https://example.com/paid")]
        return_url: Option<String>,
        /// Ways of paying to offer, in Stripe's words, like card. Without a list Stripe offers those of the account's settings
        /// that suit amount, currency and customer.
        #[schema(nullable = false, example = json!(["card"]), max_items = 50)]
        allowed_payment_method_types: Option<Vec<String>>,
        /// Ways of paying not to offer.
        #[schema(nullable = false, example = json!(["klarna"]), max_items = 50)]
        excluded_payment_method_types: Option<Vec<String>>,
        /// Whether the same payment method shall be charged later while the payer is absent. Needs customerId.
        #[schema(nullable = false, default = false, example = false)]
        save_payment_method: Option<bool>,
    }
}

bulk_body! {
    /// Payments to create.
    CreatePaymentIntentsBulkRequest of CreatePaymentIntentRequest
}

change_body! {
    /// What the payment is collected with.
    ConfirmPaymentIntentRequest {
        /// Stripe's id of the payment method; needed unless the payment has one.
        #[schema(nullable = false, example = "pm_sandbox_visa")]
        payment_method_id: Option<String>,
        /// Whether the payer is absent and cannot authenticate.
        #[schema(nullable = false, default = false, example = false)]
        off_session: Option<bool>,
        /// Where the payer returns to from a page of the bank. Needed when ways of paying are offered that send the payer there.
        #[schema(nullable = false, example = "https://example.com/paid")]
        return_url: Option<String>,
    }
}

change_body! {
    /// How much of what is authorized is taken; without an amount all of it.
    CapturePaymentIntentRequest {
        /// Decimal amount in major units, as text, with currencyCode; a JSON number is taken too, and read exactly. The rest
        /// goes back to the payer.
        #[schema(nullable = false, example = "40.00")]
        amount: Option<String>,
        /// Whole minor units (cents, or whole yen), instead of amount.
        #[schema(nullable = false, example = 4000, minimum = 1)]
        amount_minor: Option<i64>,
        /// Three-letter ISO code of the payment. Required with amount; when given, a payment in another currency is not
        /// captured.
        #[schema(nullable = false, example = "EUR")]
        currency_code: Option<String>,
    }
}

change_body! {
    /// Why it is given up.
    CancelPaymentIntentRequest {
        /// requested_by_customer, duplicate, fraudulent or abandoned.
        #[schema(nullable = false, example = "requested_by_customer")]
        cancellation_reason: Option<String>,
    }
}

answer_body! {
    /// A payment at Stripe, and how far it got.
    PaymentIntent {
        /// Stripe's id.
        #[schema(example = "pi_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        stripe_id: String,
        /// Pending, Action Required, Authorized, Completed, Failed or Canceled; absent when Stripe says something new.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Completed")]
        status: Option<String>,
        /// The status as Stripe says it; new ones may be added.
        #[schema(example = "succeeded")]
        stripe_status: String,
        /// What shall be collected, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "129.90")]
        amount: Option<String>,
        /// The same in minor units.
        #[schema(example = 12990)]
        amount_minor: i64,
        /// What was collected, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "129.90")]
        amount_received: Option<String>,
        /// The same in minor units.
        #[schema(example = 12990)]
        amount_received_minor: i64,
        /// What is authorized and can be captured, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "0.00")]
        amount_capturable: Option<String>,
        /// The same in minor units.
        #[schema(example = 0)]
        amount_capturable_minor: i64,
        /// Upper-case code.
        #[schema(example = "USD")]
        currency_code: String,
        /// Stripe's id of the customer who pays.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
        customer_id: Option<String>,
        /// The newest attempt that reached a charge.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        latest_charge_id: Option<String>,
        /// Ways of paying that are offered, or the one that was used.
        #[schema(example = json!(["card"]))]
        payment_method_types: Vec<String>,
        /// The token with which a web page completes this payment; show it to the payer only. Told to callers that may write.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "pi_3PqXyZ2eZvKYlo2C1a2b3c4d_secret_x")]
        client_secret: Option<String>,
        /// What the payer has to do, when the status is Action Required.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "redirect_to_url")]
        next_action_type: Option<String>,
        /// Where to send the payer for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "https://hooks.stripe.com/redirect/authenticate/src_x")]
        next_action_url: Option<String>,
        /// Why the last attempt failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "card_declined")]
        failure_code: Option<String>,
        /// The bank's reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "insufficient_funds")]
        decline_code: Option<String>,
        /// The same for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Your card has insufficient funds.")]
        failure_message: Option<String>,
        /// Why it was cancelled.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "requested_by_customer")]
        cancellation_reason: Option<String>,
        /// Free text.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Order 00000100")]
        description: Option<String>,
        /// Whether it is real money.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// Creates a payment, and with `confirm` tries to collect it.
///
/// A declined payment is a 402 `payment_declined` with the bank's reason and the id of the payment intent that remains.
#[utoipa::path(
    post, path = "/v1/payment-intents", operation_id = "createPaymentIntent", tag = "payments",
    // Works as it stands against the sandbox, so that a first try in Swagger UI does.
    request_body(content = CreatePaymentIntentRequest, example = json!({
        "amount": "49.00", "currencyCode": "EUR", "paymentMethodId": "pm_card_visa", "confirm": true,
        "salesforceRecordId": "006Kj000002NwArIAK"
    })),
    responses(
        (status = "2XX", description = "The payment.", body = PaymentIntent),
        (status = "4XX", description = "The request has to be changed, or the payment was declined.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_payment_intent(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreatePaymentIntent>(asked).await
}

/// Creates up to 200 payments. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/payment-intents/bulk", operation_id = "createPaymentIntentsBulk", tag = "payments",
    request_body(content = CreatePaymentIntentsBulkRequest, example = json!({ "items": [
        { "amount": "49.00", "currencyCode": "EUR", "salesforceRecordId": "001Kj000004NwRbIAK" },
        { "amount": "12.50", "currencyCode": "EUR", "salesforceRecordId": "003Kj000007NwMkIAK" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_payment_intents_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreatePaymentIntent>(asked).await
}

/// Gets a payment as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/payment-intents/{paymentIntentId}", operation_id = "getPaymentIntent", tag = "payments",
    params(("paymentIntentId" = String, Path, description = "Stripe's id.", example = "pi_sandbox_paid")),
    responses(
        (status = "2XX", description = "The payment.", body = PaymentIntent),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_payment_intent(reading: Reading) -> Result<HttpResponse, Problem> {
    let payment = reading.object("payment_intent", "paymentIntentId").await?;
    let may_write = reading.may_write;
    Ok(reading.answer(PaymentIntent::seen(payment, may_write)))
}

/// Tries to collect a payment, also once more after a decline with another payment method.
#[utoipa::path(
    post, path = "/v1/payment-intents/{paymentIntentId}/confirm", operation_id = "confirmPaymentIntent", tag = "payments",
    params(("paymentIntentId" = String, Path, description = "Stripe's id.", example = "pi_sandbox_open")),
    request_body(content = ConfirmPaymentIntentRequest, example = json!({ "paymentMethodId": "pm_sandbox_visa" })),
    responses(
        (status = "2XX", description = "The payment.", body = PaymentIntent),
        (status = "4XX", description = "The request has to be changed, or the payment was declined.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn confirm_payment_intent(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ConfirmPaymentIntent>(asked).await
}

/// Takes what was authorized with captureMethod manual, or a part of it. Stripe does it once; the rest is released.
#[utoipa::path(
    post, path = "/v1/payment-intents/{paymentIntentId}/capture", operation_id = "capturePaymentIntent", tag = "payments",
    params(("paymentIntentId" = String, Path, description = "Stripe's id.", example = "pi_sandbox_authorized")),
    request_body(content = CapturePaymentIntentRequest, example = json!({ "amount": "40.00", "currencyCode": "EUR" })),
    responses(
        (status = "2XX", description = "The payment.", body = PaymentIntent),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn capture_payment_intent(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CapturePaymentIntent>(asked).await
}

/// Gives up a payment that is not completed; what was authorized is released. A completed one is refunded instead.
#[utoipa::path(
    post, path = "/v1/payment-intents/{paymentIntentId}/cancel", operation_id = "cancelPaymentIntent", tag = "payments",
    params(("paymentIntentId" = String, Path, description = "Stripe's id.", example = "pi_sandbox_unwanted")),
    request_body(content = CancelPaymentIntentRequest, example = json!({ "cancellationReason": "requested_by_customer" })),
    responses(
        (status = "2XX", description = "The payment.", body = PaymentIntent),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn cancel_payment_intent(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CancelPaymentIntent>(asked).await
}

/// See [`create_payment_intent`].
pub(super) struct CreatePaymentIntent;

impl Action for CreatePaymentIntent {
    const NAME: &'static str = "createPaymentIntent";
    const OBJECT: &'static str = "payment_intent";
    type Object = stripe::objects::PaymentIntent;
    type Answer = PaymentIntent;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let amount = amounts::read(fields, &AMOUNT, 1);
        let customer = fields.stripe_id("customerId", "cus_", "cus_NffrFeUfNV2Hib");
        let payment_method = fields.stripe_id("paymentMethodId", "", "pm_card_visa");
        let confirm = fields.flag("confirm").unwrap_or(false);
        let off_session = fields.flag("offSession").unwrap_or(false);
        let words = [("automatic", CaptureMethod::Automatic), ("manual", CaptureMethod::Manual)];
        let capture_method = fields.word("captureMethod", &words).unwrap_or(CaptureMethod::Automatic);
        let description = fields.text("description", 1000, "Order 00000100");
        let receipt_email = email(fields, "receiptEmail");
        let return_url = url(fields, "returnUrl");
        if confirm && payment_method.is_none() && !fields.has_fault("paymentMethodId") {
            fields.missing("paymentMethodId", "with confirm, the id of a payment method", "pm_card_visa");
        }
        for (name, given) in [("offSession", off_session), ("returnUrl", return_url.is_some())] {
            if given && !confirm {
                fields.fault(name, "only makes sense with confirm", Some("confirm: true"), None);
            }
        }
        let (allowed_types, excluded_types) = types(fields);
        let save_for_later = fields.flag("savePaymentMethod").unwrap_or(false);
        if save_for_later && customer.is_none() && !fields.has_fault("customerId") {
            fields.missing("customerId", "with savePaymentMethod, whose payment method it is", "cus_sandbox");
        }
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let amount = amount?;
        let currency = amount.currency().code().to_owned();
        let wanted = stripe::CreatePaymentIntent {
            amount: amount.minor(),
            currency,
            customer,
            payment_method,
            confirm,
            off_session,
            capture_method,
            allowed_types,
            excluded_types,
            save_for_later,
            description,
            receipt_email,
            return_url,
            metadata,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::PaymentIntent) -> PaymentIntent {
        PaymentIntent::seen(object, true)
    }
}

/// See [`confirm_payment_intent`].
pub(super) struct ConfirmPaymentIntent;

impl Action for ConfirmPaymentIntent {
    const NAME: &'static str = "confirmPaymentIntent";
    const OBJECT: &'static str = "payment_intent";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::PaymentIntent;
    type Answer = PaymentIntent;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let wanted = stripe::ConfirmPaymentIntent {
            payment_method: fields.stripe_id("paymentMethodId", "", "pm_card_visa"),
            off_session: fields.flag("offSession").unwrap_or(false),
            return_url: url(fields, "returnUrl"),
        };
        let (id, key) = change(fields, head, Self::NAME, "paymentIntentId");
        Some((wanted.request(&id?), key))
    }

    fn answer(object: stripe::objects::PaymentIntent) -> PaymentIntent {
        PaymentIntent::seen(object, true)
    }
}

/// See [`capture_payment_intent`].
pub(super) struct CapturePaymentIntent;

impl Action for CapturePaymentIntent {
    const NAME: &'static str = "capturePaymentIntent";
    const OBJECT: &'static str = "payment_intent";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::PaymentIntent;
    type Answer = PaymentIntent;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let Part { minor, currency } = read_part(fields, &AMOUNT);
        let (id, key) = change(fields, head, Self::NAME, "paymentIntentId");
        let id = id?;
        let request = stripe::capture_payment_intent(&id, minor);
        let request = match currency {
            Some(currency) => request.only_in("payment_intent", &id, &currency),
            None => request,
        };
        Some((request, key))
    }

    fn answer(object: stripe::objects::PaymentIntent) -> PaymentIntent {
        PaymentIntent::seen(object, true)
    }
}

/// See [`cancel_payment_intent`].
pub(super) struct CancelPaymentIntent;

impl Action for CancelPaymentIntent {
    const NAME: &'static str = "cancelPaymentIntent";
    const OBJECT: &'static str = "payment_intent";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::PaymentIntent;
    type Answer = PaymentIntent;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let words = ["requested_by_customer", "duplicate", "fraudulent", "abandoned"];
        let reason = fields.word("cancellationReason", &words.map(|reason| (reason, reason)));
        let (id, key) = change(fields, head, Self::NAME, "paymentIntentId");
        Some((stripe::cancel_payment_intent(&id?, reason), key))
    }

    fn answer(object: stripe::objects::PaymentIntent) -> PaymentIntent {
        PaymentIntent::seen(object, true)
    }
}

impl PaymentIntent {
    /// `with_secret`: for somebody who may write.
    fn seen(payment: stripe::objects::PaymentIntent, with_secret: bool) -> Self {
        let currency = payment.currency.as_str();
        let secret = payment.client_secret.as_ref().filter(|_| with_secret);
        let error = payment.last_payment_error.clone();
        let (failure_code, decline_code, failure_message) =
            error.map_or((None, None, None), |error| (error.code, error.decline_code, error.message));
        let (next_action_type, next_action_url) = match &payment.next_action {
            None => (None, None),
            Some(next) => {
                let redirect = next.redirect_to_url.as_ref();
                (Some(next.kind.clone()), redirect.and_then(|redirect| redirect.url.clone()))
            }
        };
        Self {
            status: payment.plain_status().map(str::to_owned),
            amount: major(payment.amount, currency),
            amount_minor: payment.amount,
            amount_received: major(payment.amount_received, currency),
            amount_received_minor: payment.amount_received,
            amount_capturable: major(payment.amount_capturable, currency),
            amount_capturable_minor: payment.amount_capturable,
            currency_code: currency.to_uppercase(),
            customer_id: payment.customer.as_ref().map(|customer| customer.id().to_owned()),
            latest_charge_id: payment.latest_charge.as_ref().map(|charge| charge.id().to_owned()),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            next_action_type,
            next_action_url,
            failure_code,
            decline_code,
            failure_message,
            stripe_created_at: timestamp(payment.created),
            metadata: entries(&payment.metadata),
            livemode: payment.livemode,
            stripe_id: payment.id,
            stripe_status: payment.status,
            payment_method_types: payment.payment_method_types,
            cancellation_reason: payment.cancellation_reason,
            description: payment.description,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
