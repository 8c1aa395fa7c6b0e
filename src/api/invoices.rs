//! Invoices: create from items, get, finalise, send, pay, void.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::{OpenApi, ToSchema};

use super::action::{Action, Head, Kind, Resource};
use super::amounts::{self, UNIT_AMOUNT, major};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{
    Common, change, change_body, collection, common, request_body, required_currency, required_customer,
};
use crate::money::Currency;
use crate::stripe;

/// Everything about invoices.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[
        Kind::of::<CreateInvoice>(),
        Kind::of::<FinalizeInvoice>(),
        Kind::of::<SendInvoice>(),
        Kind::of::<PayInvoice>(),
        Kind::of::<VoidInvoice>(),
    ],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(
    create_invoice,
    create_invoices_bulk,
    get_invoice,
    finalize_invoice,
    send_invoice,
    pay_invoice,
    void_invoice
))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/invoices").route(web::post().to(create_invoice)))
        .service(web::resource("/invoices/bulk").route(web::post().to(create_invoices_bulk)))
        .service(web::resource("/invoices/{invoiceId}").route(web::get().to(get_invoice)))
        .service(web::resource("/invoices/{invoiceId}/finalize").route(web::post().to(finalize_invoice)))
        .service(web::resource("/invoices/{invoiceId}/send").route(web::post().to(send_invoice)))
        .service(web::resource("/invoices/{invoiceId}/pay").route(web::post().to(pay_invoice)))
        .service(web::resource("/invoices/{invoiceId}/void").route(web::post().to(void_invoice)));
}

request_body! {
    /// An invoice to create. It stays a draft until it is finalized, sent or paid.
    CreateInvoiceRequest {
        /// Stripe's id of the customer who pays.
        #[schema(example = "cus_sandbox")]
        customer_id: String,
        /// Three-letter ISO code of all lines.
        #[schema(example = "EUR")]
        currency_code: String,
        /// The lines, 1 to 100.
        #[schema(min_items = 1, max_items = 100)]
        items: Vec<InvoiceItemRequest>,
        /// charge_automatically takes the default payment method, send_invoice mails the invoice.
        #[schema(nullable = false, default = "charge_automatically", example = "send_invoice")]
        collection_method: Option<String>,
        /// Days to pay; required with send_invoice, and only there.
        #[schema(nullable = false, example = 30, minimum = 1, maximum = 365)]
        days_until_due: Option<i64>,
        /// Stripe's id of the payment method; the customer's default if absent.
        #[schema(nullable = false, example = "pm_sandbox_visa")]
        default_payment_method_id: Option<String>,
        /// Free text on the invoice.
        #[schema(nullable = false, example = "Order 00000100", max_length = 1500)]
        description: Option<String>,
        /// Free text below the lines.
        #[schema(nullable = false, example = "Thank you for your business.", max_length = 5000)]
        footer: Option<String>,
        /// Whether the draft becomes an invoice at once, with its number, its page and its PDF. Lines can no longer change.
        #[schema(nullable = false, default = false, example = true)]
        finalize_now: Option<bool>,
        /// Whether Stripe goes on by itself: finalizes the draft after an hour, mails it or charges, and reminds.
        #[schema(nullable = false, default = false, example = false)]
        auto_advance: Option<bool>,
    }
}

/// One line of an invoice: `priceId`, or `description` with `unitAmount` or `unitAmountMinor`.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct InvoiceItemRequest {
    /// What the line is for. Required without priceId, where the product has a name.
    #[schema(nullable = false, example = "Commissioning, per day", max_length = 500)]
    description: Option<String>,
    /// Stripe's id of a price that is paid once.
    #[schema(nullable = false, example = "price_sandbox_setup")]
    price_id: Option<String>,
    /// How many; 1 if absent.
    #[schema(nullable = false, example = 2, minimum = 1, maximum = 999999)]
    quantity: Option<i64>,
    /// What one costs in major units, as text; a JSON number is taken too, and read exactly. Negative for a rebate.
    #[schema(nullable = false, example = "480.00")]
    unit_amount: Option<String>,
    /// The same in minor units, instead of unitAmount.
    #[schema(nullable = false, example = 48000)]
    unit_amount_minor: Option<i64>,
}

bulk_body! {
    /// Invoices to create.
    CreateInvoicesBulkRequest of CreateInvoiceRequest
}

change_body! {
    /// Nothing has to be said.
    FinalizeInvoiceRequest {}
}

change_body! {
    /// Nothing has to be said.
    SendInvoiceRequest {}
}

change_body! {
    /// Nothing has to be said when the customer has a default payment method.
    PayInvoiceRequest {
        /// Stripe's id of the payment method; the usual one if absent.
        #[schema(nullable = false, example = "pm_sandbox_visa")]
        payment_method_id: Option<String>,
        /// Whether it was paid elsewhere, as by bank transfer: nothing is charged, and the invoice is Paid.
        #[schema(nullable = false, default = false, example = false)]
        paid_elsewhere: Option<bool>,
    }
}

change_body! {
    /// Nothing has to be said.
    VoidInvoiceRequest {}
}

answer_body! {
    /// An invoice at Stripe, and how far it got.
    Invoice {
        /// Stripe's id.
        #[schema(example = "in_1PqXyZ2eZvKYlo2Cabcdefgh")]
        stripe_id: String,
        /// Draft, Open, Paid, Void or Uncollectible; absent when Stripe says something new.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Open")]
        status: Option<String>,
        /// The status as Stripe says it; new ones may be added.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "open")]
        stripe_status: Option<String>,
        /// As it is printed; absent on a draft.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "I0U8ZGXY-0003")]
        invoice_number: Option<String>,
        /// Stripe's id of the customer who pays.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "cus_NffrFeUfNV2Hib")]
        customer_id: Option<String>,
        /// Stripe's id of the subscription that asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "sub_1PqXyZ2eZvKYlo2Cabcdefgh")]
        subscription_id: Option<String>,
        /// Before discounts and tax, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "960.00")]
        subtotal: Option<String>,
        /// The same in minor units.
        #[schema(example = 96000)]
        subtotal_minor: i64,
        /// After discounts and tax, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "960.00")]
        total: Option<String>,
        /// The same in minor units.
        #[schema(example = 96000)]
        total_minor: i64,
        /// What is to be paid, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "960.00")]
        amount_due: Option<String>,
        /// The same in minor units.
        #[schema(example = 96000)]
        amount_due_minor: i64,
        /// What was paid, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "0.00")]
        amount_paid: Option<String>,
        /// The same in minor units.
        #[schema(example = 0)]
        amount_paid_minor: i64,
        /// What is still to be paid, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "960.00")]
        amount_remaining: Option<String>,
        /// The same in minor units.
        #[schema(example = 96000)]
        amount_remaining_minor: i64,
        /// Upper-case code.
        #[schema(example = "EUR")]
        currency_code: String,
        /// charge_automatically or send_invoice.
        #[schema(example = "send_invoice")]
        collection_method: String,
        /// When it has to be paid, with send_invoice.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-12-20T16:00:00Z")]
        due_at: Option<String>,
        /// The page on which it can be looked at and paid; absent on a draft.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "https://invoice.stripe.com/i/acct_1/test_a1b2c3")]
        hosted_invoice_url: Option<String>,
        /// The printed invoice; absent on a draft.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "https://pay.stripe.com/invoice/acct_1/test_a1b2c3/pdf")]
        pdf_url: Option<String>,
        /// Free text on the invoice.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Order 00000100")]
        description: Option<String>,
        /// The lines, the first ten of many.
        items: Vec<InvoiceItem>,
        /// Whether it is real money.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// One line of an invoice.
#[derive(Debug, serde::Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvoiceItem {
    /// Stripe's id of the line.
    #[schema(example = "il_1PqXyZ2eZvKYlo2Cabcdefgh")]
    stripe_id: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2 × Commissioning, per day")]
    description: Option<String>,
    /// How many, where the line has a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1)]
    quantity: Option<i64>,
    /// The whole line in major units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "960.00")]
    amount: Option<String>,
    /// The same in minor units.
    #[schema(example = 96000)]
    amount_minor: i64,
}

/// Creates an invoice with its lines.
///
/// Without finalizeNow it stays a draft: go on with finalizeInvoice, sendInvoice or payInvoice. When a line is refused, the
/// empty draft stays; the same idempotencyKey with a corrected line goes on with it.
#[utoipa::path(
    post, path = "/v1/invoices", operation_id = "createInvoice", tag = "invoices",
    request_body(content = CreateInvoiceRequest, example = json!({
        "customerId": "cus_sandbox", "currencyCode": "EUR", "collectionMethod": "send_invoice", "daysUntilDue": 30,
        "items": [{ "description": "Commissioning, per day", "unitAmount": "480.00", "quantity": 2 }],
        "finalizeNow": true, "salesforceRecordId": "801Kj000001NwRdIAK"
    })),
    responses(
        (status = "2XX", description = "The invoice.", body = Invoice),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_invoice(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateInvoice>(asked).await
}

/// Creates up to 200 invoices. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/invoices/bulk", operation_id = "createInvoicesBulk", tag = "invoices",
    request_body(content = CreateInvoicesBulkRequest, example = json!({ "items": [{
        "customerId": "cus_sandbox", "currencyCode": "EUR", "collectionMethod": "send_invoice", "daysUntilDue": 30,
        "items": [{ "description": "Commissioning, per day", "unitAmount": "480.00" }],
        "salesforceRecordId": "006Kj000002NwArIAK"
    }] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_invoices_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateInvoice>(asked).await
}

/// Gets an invoice as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/invoices/{invoiceId}", operation_id = "getInvoice", tag = "invoices",
    params(("invoiceId" = String, Path, description = "Stripe's id.", example = "in_sandbox_open")),
    responses(
        (status = "2XX", description = "The invoice.", body = Invoice),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_invoice(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Invoice, Invoice>(reading, "invoice", "invoiceId").await
}

/// Makes a draft an invoice: it gets its number, and its lines can no longer change.
#[utoipa::path(
    post, path = "/v1/invoices/{invoiceId}/finalize", operation_id = "finalizeInvoice", tag = "invoices",
    params(("invoiceId" = String, Path, description = "Stripe's id.", example = "in_sandbox_draft")),
    request_body(content = FinalizeInvoiceRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The invoice.", body = Invoice),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn finalize_invoice(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<FinalizeInvoice>(asked).await
}

/// Mails an invoice to its customer, who needs an e-mail address. A draft is finalized first. In test mode no mail leaves Stripe.
#[utoipa::path(
    post, path = "/v1/invoices/{invoiceId}/send", operation_id = "sendInvoice", tag = "invoices",
    params(("invoiceId" = String, Path, description = "Stripe's id.", example = "in_sandbox_to_send")),
    request_body(content = SendInvoiceRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The invoice.", body = Invoice),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn send_invoice(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<SendInvoice>(asked).await
}

/// Collects an invoice now, or notes that it was paid elsewhere. A draft is finalized first.
#[utoipa::path(
    post, path = "/v1/invoices/{invoiceId}/pay", operation_id = "payInvoice", tag = "invoices",
    params(("invoiceId" = String, Path, description = "Stripe's id.", example = "in_sandbox_open")),
    request_body(content = PayInvoiceRequest, example = json!({ "paymentMethodId": "pm_sandbox_visa" })),
    responses(
        (status = "2XX", description = "The invoice.", body = Invoice),
        (status = "4XX", description = "The request has to be changed, or the payment was declined.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn pay_invoice(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<PayInvoice>(asked).await
}

/// Declares an open invoice void: it stays on record with its number, and nothing is owed. A draft cannot be voided.
#[utoipa::path(
    post, path = "/v1/invoices/{invoiceId}/void", operation_id = "voidInvoice", tag = "invoices",
    params(("invoiceId" = String, Path, description = "Stripe's id.", example = "in_sandbox_unwanted")),
    request_body(content = VoidInvoiceRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The invoice.", body = Invoice),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn void_invoice(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<VoidInvoice>(asked).await
}

/// See [`create_invoice`].
pub(super) struct CreateInvoice;

impl Action for CreateInvoice {
    const NAME: &'static str = "createInvoice";
    const OBJECT: &'static str = "invoice";
    const URL: &'static str = "hostedInvoiceUrl";
    type Object = stripe::objects::Invoice;
    type Answer = Invoice;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = required_customer(fields);
        let currency = required_currency(fields);
        let lines = fields.list("items", 100, |item| read_item(item, currency));
        if lines.is_empty() && !fields.has_fault("items") {
            let example = r#"[{"description":"Commissioning","unitAmount":"480.00"}]"#;
            fields.missing("items", "1 to 100 lines", example);
        }
        let (collection_method, days_until_due) = collection(fields);
        let default_payment_method = fields.stripe_id("defaultPaymentMethodId", "", "pm_sandbox_visa");
        let description = fields.text("description", 1500, "Order 00000100");
        let footer = fields.text("footer", 5000, "Thank you for your business.");
        let finalize = fields.flag("finalizeNow").unwrap_or(false);
        let auto_advance = fields.flag("autoAdvance").unwrap_or(false);
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let wanted = stripe::CreateInvoice {
            customer: customer?,
            currency: currency?.code().to_owned(),
            lines: lines.into_iter().collect::<Option<_>>()?,
            collection_method,
            days_until_due,
            default_payment_method,
            description,
            footer,
            auto_advance,
            finalize,
            metadata,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::Invoice) -> Invoice {
        Invoice::from(object)
    }
}

/// Reads one [`InvoiceItemRequest`]; its amounts are in the invoice's currency.
pub(super) fn read_item(fields: &mut Fields, currency: Option<Currency>) -> Option<stripe::InvoiceLine> {
    let description = fields.text("description", 500, "Commissioning, per day");
    let quantity = fields.whole("quantity", 1..=999_999).unwrap_or(1);
    let price = fields.stripe_id("priceId", "", "price_sandbox_setup");
    let own = [UNIT_AMOUNT.major, UNIT_AMOUNT.minor].into_iter().find(|name| fields.peek(name));
    if price.is_some() || fields.has_fault("priceId") {
        if let Some(name) = own {
            fields.fault(name, "is given together with `priceId`; send one or the other", None, None);
        }
        for name in [UNIT_AMOUNT.major, UNIT_AMOUNT.minor] {
            fields.raw(name);
        }
        return Some(stripe::InvoiceLine::Priced { price: price?, quantity, description });
    }
    let amount = amounts::read_in(fields, &UNIT_AMOUNT, currency, -amounts::MOST);
    if description.is_none() && !fields.has_fault("description") {
        fields.missing("description", "without priceId, what the line is for", "Commissioning, per day");
    }
    let (amount, description) = (amount?, description?);
    let total = amount.minor().checked_mul(quantity).filter(|total| total.abs() <= amounts::MOST);
    if total.is_none() {
        fields.fault("quantity", "makes the line too large an amount", None, Some("1"));
    }
    let description = if quantity == 1 { description } else { format!("{quantity} × {description}") };
    Some(stripe::InvoiceLine::Amount { amount: total?, description })
}

/// See [`finalize_invoice`].
pub(super) struct FinalizeInvoice;

impl Action for FinalizeInvoice {
    const NAME: &'static str = "finalizeInvoice";
    const OBJECT: &'static str = "invoice";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Invoice;
    type Answer = Invoice;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "invoiceId");
        Some((stripe::finalize_invoice(&id?), key))
    }

    fn answer(object: stripe::objects::Invoice) -> Invoice {
        Invoice::from(object)
    }
}

/// See [`send_invoice`].
pub(super) struct SendInvoice;

impl Action for SendInvoice {
    const NAME: &'static str = "sendInvoice";
    const OBJECT: &'static str = "invoice";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Invoice;
    type Answer = Invoice;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "invoiceId");
        Some((stripe::send_invoice(&id?), key))
    }

    fn answer(object: stripe::objects::Invoice) -> Invoice {
        Invoice::from(object)
    }
}

/// See [`void_invoice`].
pub(super) struct VoidInvoice;

impl Action for VoidInvoice {
    const NAME: &'static str = "voidInvoice";
    const OBJECT: &'static str = "invoice";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Invoice;
    type Answer = Invoice;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "invoiceId");
        Some((stripe::void_invoice(&id?), key))
    }

    fn answer(object: stripe::objects::Invoice) -> Invoice {
        Invoice::from(object)
    }
}

/// See [`pay_invoice`].
pub(super) struct PayInvoice;

impl Action for PayInvoice {
    const NAME: &'static str = "payInvoice";
    const OBJECT: &'static str = "invoice";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Invoice;
    type Answer = Invoice;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let payment_method = fields.stripe_id("paymentMethodId", "", "pm_sandbox_visa");
        let paid_out_of_band = fields.flag("paidElsewhere").unwrap_or(false);
        if paid_out_of_band && payment_method.is_some() {
            let problem = "makes no sense with `paidElsewhere`: nothing is charged";
            fields.fault("paymentMethodId", problem, None, None);
        }
        let (id, key) = change(fields, head, Self::NAME, "invoiceId");
        Some((stripe::PayInvoice { payment_method, paid_out_of_band }.request(&id?), key))
    }

    fn answer(object: stripe::objects::Invoice) -> Invoice {
        Invoice::from(object)
    }
}

impl From<stripe::objects::Invoice> for Invoice {
    fn from(invoice: stripe::objects::Invoice) -> Self {
        let in_major = |minor: i64| major(minor, &invoice.currency);
        let subscription = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        Self {
            status: invoice.plain_status().map(str::to_owned),
            customer_id: invoice.customer.as_ref().map(|customer| customer.id().to_owned()),
            subscription_id: subscription.map(|details| details.subscription.id().to_owned()),
            subtotal: in_major(invoice.subtotal),
            subtotal_minor: invoice.subtotal,
            total: in_major(invoice.total),
            total_minor: invoice.total,
            amount_due: in_major(invoice.amount_due),
            amount_due_minor: invoice.amount_due,
            amount_paid: in_major(invoice.amount_paid),
            amount_paid_minor: invoice.amount_paid,
            amount_remaining: in_major(invoice.amount_remaining),
            amount_remaining_minor: invoice.amount_remaining,
            currency_code: invoice.currency.to_uppercase(),
            due_at: invoice.due_date.and_then(timestamp),
            items: invoice.lines.data.into_iter().map(InvoiceItem::from).collect(),
            stripe_created_at: timestamp(invoice.created),
            metadata: entries(&invoice.metadata),
            stripe_id: invoice.id,
            stripe_status: invoice.status,
            invoice_number: invoice.number,
            collection_method: invoice.collection_method,
            hosted_invoice_url: invoice.hosted_invoice_url,
            pdf_url: invoice.invoice_pdf,
            description: invoice.description,
            livemode: invoice.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}

impl From<stripe::objects::InvoiceLine> for InvoiceItem {
    fn from(line: stripe::objects::InvoiceLine) -> Self {
        Self {
            amount: major(line.amount, &line.currency),
            amount_minor: line.amount,
            stripe_id: line.id,
            description: line.description,
            quantity: line.quantity,
        }
    }
}
