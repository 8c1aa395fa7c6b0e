//! Refunds: create in full or in part, get.

use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::amounts::{AMOUNT, Part, major, read_part};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, common, request_body};
use crate::stripe;

/// Everything about refunds.
pub(super) const RESOURCE: Resource =
    Resource { actions: &[Kind::of::<CreateRefund>()], routes, paths: Paths::openapi };

#[derive(OpenApi)]
#[openapi(paths(create_refund, create_refunds_bulk, get_refund))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/refunds").route(web::post().to(create_refund)))
        .service(web::resource("/refunds/bulk").route(web::post().to(create_refunds_bulk)))
        .service(web::resource("/refunds/{refundId}").route(web::get().to(get_refund)));
}

request_body! {
    /// Money to give back. Name the payment or the charge; without an amount everything that is left goes back.
    CreateRefundRequest {
        /// Stripe's id of the payment. Send it or chargeId.
        #[schema(nullable = false, example = "pi_sandbox_paid")]
        payment_intent_id: Option<String>,
        /// Stripe's id of the charge, instead of paymentIntentId.
        #[schema(nullable = false, example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        charge_id: Option<String>,
        /// Decimal amount in major units, as text, with currencyCode; a JSON number is taken too, and read exactly. Without
        /// an amount everything that is left is refunded.
        #[schema(nullable = false, example = "20.00")]
        amount: Option<String>,
        /// Whole minor units (cents, or whole yen), instead of amount.
        #[schema(nullable = false, example = 2000, minimum = 1)]
        amount_minor: Option<i64>,
        /// Three-letter ISO code of the payment. Required with amount; when given, a payment in another currency is not
        /// refunded.
        #[schema(nullable = false, example = "EUR")]
        currency_code: Option<String>,
        /// duplicate, fraudulent or requested_by_customer. fraudulent also blocks the card and the e-mail address.
        #[schema(nullable = false, example = "requested_by_customer")]
        refund_reason: Option<String>,
    }
}

bulk_body! {
    /// Refunds to create.
    CreateRefundsBulkRequest of CreateRefundRequest
}

answer_body! {
    /// Money that goes back to the payer.
    Refund {
        /// Stripe's id.
        #[schema(example = "re_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        stripe_id: String,
        /// Pending, Action Required, Completed, Failed or Canceled; absent when Stripe says something new. A completed refund
        /// can still fail weeks later, when the bank sends it back.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Completed")]
        status: Option<String>,
        /// The status as Stripe says it; new ones may be added.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "succeeded")]
        stripe_status: Option<String>,
        /// What goes back, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "20.00")]
        amount: Option<String>,
        /// The same in minor units.
        #[schema(example = 2000)]
        amount_minor: i64,
        /// Upper-case code.
        #[schema(example = "EUR")]
        currency_code: String,
        /// Stripe's id of the payment.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "pi_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        payment_intent_id: Option<String>,
        /// Stripe's id of the charge.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "ch_3PqXyZ2eZvKYlo2C1a2b3c4d")]
        charge_id: Option<String>,
        /// Why it was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "requested_by_customer")]
        refund_reason: Option<String>,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "expired_or_canceled_card")]
        failure_reason: Option<String>,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// Refunds a payment, in full or in part.
///
/// Name the Case or the Order that asks in salesforceRecordId: a Flow that runs twice then refunds once.
#[utoipa::path(
    post, path = "/v1/refunds", operation_id = "createRefund", tag = "refunds",
    request_body(content = CreateRefundRequest, example = json!({ "paymentIntentId": "pi_sandbox_paid", "amount": "20.00", "currencyCode": "EUR", "refundReason": "requested_by_customer" })),
    responses(
        (status = "2XX", description = "The refund.", body = Refund),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_refund(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateRefund>(asked).await
}

/// Creates up to 200 refunds. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/refunds/bulk", operation_id = "createRefundsBulk", tag = "refunds",
    request_body(content = CreateRefundsBulkRequest, example = json!({ "items": [
        { "paymentIntentId": "pi_sandbox_paid", "amount": "5.00", "currencyCode": "EUR" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_refunds_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateRefund>(asked).await
}

/// Gets a refund as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/refunds/{refundId}", operation_id = "getRefund", tag = "refunds",
    params(("refundId" = String, Path, description = "Stripe's id.", example = "re_sandbox")),
    responses(
        (status = "2XX", description = "The refund.", body = Refund),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_refund(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Refund, Refund>(reading, "refund", "refundId").await
}

/// See [`create_refund`].
pub(super) struct CreateRefund;

impl Action for CreateRefund {
    const NAME: &'static str = "createRefund";
    const OBJECT: &'static str = "refund";
    type Object = stripe::objects::Refund;
    type Answer = Refund;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let payment_intent = fields.stripe_id("paymentIntentId", "pi_", "pi_sandbox_paid");
        let charge = fields.stripe_id("chargeId", "", "ch_3PqXyZ2eZvKYlo2C1a2b3c4d");
        let named = (payment_intent.is_some(), charge.is_some());
        if named == (true, true) {
            let problem = "is given together with `paymentIntentId`; send one or the other";
            fields.fault("chargeId", problem, None, None);
        } else if named == (false, false)
            && !fields.has_fault("paymentIntentId")
            && !fields.has_fault("chargeId")
        {
            fields.missing("paymentIntentId", "the Stripe id of a payment, or chargeId", "pi_sandbox_paid");
        }
        let Part { minor, currency } = read_part(fields, &AMOUNT);
        let words = ["requested_by_customer", "duplicate", "fraudulent"].map(|reason| (reason, reason));
        let reason = fields.word("refundReason", &words);
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let (object, id) = match (&payment_intent, &charge) {
            (Some(id), _) => ("payment_intent", id.clone()),
            (None, Some(id)) => ("charge", id.clone()),
            (None, None) => return None,
        };
        let wanted = stripe::CreateRefund { payment_intent, charge, amount: minor, reason, metadata };
        let request = wanted.request();
        let request = match currency {
            Some(currency) => request.only_in(object, &id, &currency),
            None => request,
        };
        Some((request, key))
    }

    fn answer(object: stripe::objects::Refund) -> Refund {
        Refund::from(object)
    }
}

impl From<stripe::objects::Refund> for Refund {
    fn from(refund: stripe::objects::Refund) -> Self {
        Self {
            status: refund.plain_status().map(str::to_owned),
            amount: major(refund.amount, &refund.currency),
            amount_minor: refund.amount,
            currency_code: refund.currency.to_uppercase(),
            payment_intent_id: refund.payment_intent.as_ref().map(|intent| intent.id().to_owned()),
            charge_id: refund.charge.as_ref().map(|charge| charge.id().to_owned()),
            stripe_created_at: timestamp(refund.created),
            metadata: entries(&refund.metadata),
            stripe_id: refund.id,
            stripe_status: refund.status,
            refund_reason: refund.reason,
            failure_reason: refund.failure_reason,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
