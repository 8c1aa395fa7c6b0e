//! What requests have in common: a JSON body, links to records, notes and an idempotency key.

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use url::Url;

use super::action::Head;
use super::fields::{Fields, excerpt};
use super::idempotency::Key;
use super::problem::{Code, Problem};
use super::{amounts, links, metadata};
use crate::money::Currency;
use crate::stripe::objects::Metadata;
use crate::stripe::{self, CollectionMethod};

/// The longest body that is read.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;

/// The bytes of a JSON body, not parsed yet.
#[derive(Debug)]
pub(crate) struct JsonBody(web::Bytes);

impl JsonBody {
    /// Errors: 400 `invalid_json`.
    pub(crate) fn fields(&self) -> Result<Fields, Problem> {
        Fields::parse(&self.0)
    }

    /// The same, where nothing has to be said: no body is an empty one.
    ///
    /// Errors: 400 `invalid_json`.
    pub(super) fn fields_if_any(&self) -> Result<Fields, Problem> {
        Fields::parse(if self.0.is_empty() { b"{}" } else { &self.0 })
    }
}

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = matches!(request.mime_type(), Ok(Some(mime))
            if mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"));
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = match bytes.await {
                Ok(bytes) if bytes.is_empty() => return Ok(Self(bytes)),
                bytes => bytes,
            };
            if !json {
                let detail = "send the header `Content-Type: application/json` and a JSON object";
                return Err(Problem::new(Code::UnsupportedMediaType, detail));
            }
            bytes.map(Self).map_err(|error| match error.as_error() {
                Some(PayloadError::Overflow) => {
                    Problem::new(Code::BodyTooLarge, format!("at most {BODY_LIMIT} bytes are read"))
                }
                _ => Problem::new(Code::BadRequest, "the body did not arrive whole"),
            })
        })
    }
}

/// Defines the documentation of a request body: the fields given, and those that every creation has.
///
/// The structs describe, they are never filled: `Fields` reads the body, so that one answer can name everything that is
/// wrong with it. A test compares the two.
macro_rules! request_body {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$outer])*
        #[derive(utoipa::ToSchema)]
        #[schema(rename_all = "camelCase")]
        #[expect(dead_code, reason = "describes the body for the OpenAPI document")]
        pub(super) struct $name {
            $($(#[$inner])* $field: $kind,)*
            /// The Salesforce record that asks, 15 or 18 characters. Its id is kept in Stripe's metadata, and it protects
            /// against doubling when no idempotencyKey is sent.
            #[schema(nullable = false, example = "006Ws00000ABCDEIA5")]
            salesforce_record_id: Option<String>,
            /// API name of that record's object; needed only where the id does not tell, as for custom objects.
            #[schema(nullable = false, example = "Opportunity")]
            salesforce_object: Option<String>,
            /// A related Account.
            #[schema(nullable = false, example = "001D000000IRFmaIAH")]
            account_id: Option<String>,
            /// A related Contact.
            #[schema(nullable = false, example = "003D000000IRFmaIAH")]
            contact_id: Option<String>,
            /// A related Opportunity.
            #[schema(nullable = false, example = "006D000000IRFmaIAH")]
            opportunity_id: Option<String>,
            /// A related Order.
            #[schema(nullable = false, example = "801D000000IRFmaIAH")]
            order_id: Option<String>,
            /// The org that asks.
            #[schema(nullable = false, example = "00DD000000IRFmaMAH")]
            salesforce_org_id: Option<String>,
            /// Notes that Stripe keeps, at most 50 together with the links.
            #[schema(nullable = false)]
            metadata: Option<Vec<$crate::api::metadata::MetadataEntry>>,
            /// Names this one intention. A repeated call with the same key and the same values gets the first answer again
            /// and does nothing; with other values it is refused. When absent, the key is made from the operation and
            /// salesforceRecordId, so that a Flow that runs twice cannot charge twice; send a key of your own for a second
            /// payment on the same record, or to try again after a decline. Without either, a repeated call is done twice.
            #[schema(nullable = false, example = "invoice-4711-deposit", max_length = 255)]
            idempotency_key: Option<String>,
        }
    };
}
pub(super) use request_body;

/// Defines the documentation of what is asked of an object that exists: the fields given, and the idempotency key.
macro_rules! change_body {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$outer])*
        #[derive(utoipa::ToSchema)]
        #[schema(rename_all = "camelCase")]
        #[expect(dead_code, reason = "describes the body for the OpenAPI document")]
        pub(super) struct $name {
            $($(#[$inner])* $field: $kind,)*
            /// Names this one intention. A repeated call with the same key and the same values gets the first answer again and
            /// does nothing. When absent, every call is one of its own; Stripe then refuses what is done already.
            #[schema(nullable = false, example = "order-00000100-delivered", max_length = 255)]
            idempotency_key: Option<String>,
        }
    };
}
pub(super) use change_body;

/// The id of what is to be changed, from the part `name` of the path; and the key, after everything else was read.
///
/// An id that cannot be one is a fault of the field of that name.
pub(super) fn change(
    fields: &mut Fields,
    head: &Head,
    operation: &str,
    name: &'static str,
) -> (Option<String>, Key) {
    let key = Key::read(fields, head, operation, None);
    let id = head.path(name);
    let fits = stripe::is_address(id);
    if !fits {
        let problem = format!("`{}` in the path is not an id", excerpt(id));
        fields.fault(name, problem, Some("the id of a Stripe object"), None);
    }
    (fits.then(|| id.to_owned()), key)
}

/// A full address of a web page.
pub(super) fn url(fields: &mut Fields, name: &'static str) -> Option<String> {
    let text = fields.text(name, 2048, "https://example.com/paid")?;
    let legal = Url::parse(&text).is_ok_and(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    if legal {
        return Some(text);
    }
    let problem = format!("`{}` is not an address", excerpt(&text));
    fields.fault(name, problem, Some("a full address"), Some("https://example.com/paid"));
    None
}

/// The currency that must be named.
pub(super) fn required_currency(fields: &mut Fields) -> Option<Currency> {
    amounts::read_currency(fields, "currencyCode")
}

/// Ways of paying to offer, and not to offer; only one of the lists.
pub(super) fn types(fields: &mut Fields) -> (Vec<String>, Vec<String>) {
    let allowed = fields.words("allowedPaymentMethodTypes", 50, "card");
    let excluded = fields.words("excludedPaymentMethodTypes", 50, "klarna");
    if !allowed.is_empty() && !excluded.is_empty() {
        let problem = "is given together with `allowedPaymentMethodTypes`; send one or the other";
        fields.fault("excludedPaymentMethodTypes", problem, None, None);
    }
    (allowed, excluded)
}

/// The customer that must be named.
pub(super) fn required_customer(fields: &mut Fields) -> Option<String> {
    let customer = fields.stripe_id("customerId", "cus_", "cus_sandbox");
    if customer.is_none() && !fields.has_fault("customerId") {
        fields.missing("customerId", "the Stripe id of a customer", "cus_sandbox");
    }
    customer
}

/// How invoices are paid, and in how many days if they are mailed.
pub(super) fn collection(fields: &mut Fields) -> (CollectionMethod, Option<i64>) {
    let words = [CollectionMethod::ChargeAutomatically, CollectionMethod::SendInvoice];
    let words = words.map(|method| (method.word(), method));
    let method = fields.word("collectionMethod", &words).unwrap_or(CollectionMethod::ChargeAutomatically);
    let days = fields.whole("daysUntilDue", 1..=365);
    match (method, days) {
        (CollectionMethod::SendInvoice, None) if !fields.has_fault("daysUntilDue") => {
            fields.missing("daysUntilDue", "with send_invoice, the days to pay an invoice", "30");
        }
        (CollectionMethod::ChargeAutomatically, Some(_)) => {
            let expected = "collectionMethod: send_invoice";
            fields.fault("daysUntilDue", "only makes sense with send_invoice", Some(expected), None);
        }
        _ => {}
    }
    (method, days)
}

/// The fields that every creation has.
pub(super) struct Common {
    pub(super) metadata: Metadata,
    pub(super) key: Key,
}

/// Reads them; `operation` is the `operationId`.
pub(super) fn common(fields: &mut Fields, head: &Head, operation: &str) -> Common {
    let links = links::read(fields);
    let key = Key::read(fields, head, operation, links.record_id.as_deref());
    Common { metadata: metadata::read(fields, links.metadata), key }
}

/// The same, where a later call for the same record is a new intention: without a key of the caller's, every call is.
pub(super) fn common_each_time(fields: &mut Fields, head: &Head, operation: &str) -> Common {
    let links = links::read(fields);
    let key = Key::read(fields, head, operation, None);
    Common { metadata: metadata::read(fields, links.metadata), key }
}

/// An e-mail address, as far as one can tell without writing to it.
pub(super) fn email(fields: &mut Fields, name: &'static str) -> Option<String> {
    let text = fields.text(name, 512, "ada@example.com")?;
    let legal = text.split_once('@').is_some_and(|(who, host)| {
        !who.is_empty() && host.contains('.') && !host.ends_with('.') && !host.contains('@')
    }) && !text.contains(char::is_whitespace);
    if !legal {
        fields.fault(name, "is not an e-mail address", Some("an e-mail address"), Some("ada@example.com"));
    }
    legal.then_some(text)
}
