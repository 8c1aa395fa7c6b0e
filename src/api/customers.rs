//! Customers: create, create or update by the Salesforce record, get, update.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::amounts::major;
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::{self, entries};
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, change, change_body, common, common_each_time, email, request_body};
use crate::stripe;

/// Everything about customers.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[Kind::of::<CreateCustomer>(), Kind::of::<UpsertCustomer>(), Kind::of::<UpdateCustomer>()],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(
    create_customer,
    create_customers_bulk,
    upsert_customer,
    upsert_customers_bulk,
    get_customer,
    update_customer
))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/customers")
            .route(web::post().to(create_customer))
            .route(web::put().to(upsert_customer)),
    )
    .service(
        web::resource("/customers/bulk")
            .route(web::post().to(create_customers_bulk))
            .route(web::put().to(upsert_customers_bulk)),
    )
    .service(
        web::resource("/customers/{customerId}")
            .route(web::get().to(get_customer))
            .route(web::patch().to(update_customer)),
    );
}

request_body! {
    /// A customer to create. Nothing makes customers unique at Stripe: keep the id of the answer on the record, or use
    /// upsertCustomer.
    CreateCustomerRequest {
        /// Address for receipts and invoices.
        #[schema(nullable = false, example = "ada@example.com", max_length = 512)]
        email: Option<String>,
        /// Name in full, or of the business.
        #[schema(nullable = false, example = "Lindqvist Robotics", max_length = 256)]
        name: Option<String>,
        /// Telephone number.
        #[schema(nullable = false, example = "+46 8 123 456", max_length = 20)]
        phone: Option<String>,
        /// Free text, seen in the Stripe Dashboard.
        #[schema(nullable = false, example = "Key account north", max_length = 5000)]
        description: Option<String>,
        /// Street and number of the address.
        #[schema(nullable = false, example = "Hafenstraße 7", max_length = 500)]
        address_line1: Option<String>,
        /// What the street does not say, as a floor.
        #[schema(nullable = false, example = "2nd floor", max_length = 500)]
        address_line2: Option<String>,
        /// City.
        #[schema(nullable = false, example = "Hamburg", max_length = 200)]
        address_city: Option<String>,
        /// State or province.
        #[schema(nullable = false, example = "Hamburg", max_length = 200)]
        address_state: Option<String>,
        /// Postal code.
        #[schema(nullable = false, example = "20457", max_length = 50)]
        address_postal_code: Option<String>,
        /// Two-letter ISO code of the country. An address is set as a whole: send all of its parts.
        #[schema(nullable = false, example = "DE", max_length = 2)]
        address_country: Option<String>,
    }
}

request_body! {
    /// What the customer of a Salesforce record shall look like. salesforceRecordId is required; what is left out stays as it
    /// is.
    UpsertCustomerRequest {
        /// Address for receipts and invoices.
        #[schema(nullable = false, example = "ada@example.com", max_length = 512)]
        email: Option<String>,
        /// Name in full, or of the business.
        #[schema(nullable = false, example = "Lindqvist Robotics", max_length = 256)]
        name: Option<String>,
        /// Telephone number.
        #[schema(nullable = false, example = "+46 8 123 456", max_length = 20)]
        phone: Option<String>,
        /// Free text, seen in the Stripe Dashboard.
        #[schema(nullable = false, example = "Key account north", max_length = 5000)]
        description: Option<String>,
        /// Street and number of the address.
        #[schema(nullable = false, example = "Hafenstraße 7", max_length = 500)]
        address_line1: Option<String>,
        /// What the street does not say, as a floor.
        #[schema(nullable = false, example = "2nd floor", max_length = 500)]
        address_line2: Option<String>,
        /// City.
        #[schema(nullable = false, example = "Hamburg", max_length = 200)]
        address_city: Option<String>,
        /// State or province.
        #[schema(nullable = false, example = "Hamburg", max_length = 200)]
        address_state: Option<String>,
        /// Postal code.
        #[schema(nullable = false, example = "20457", max_length = 50)]
        address_postal_code: Option<String>,
        /// Two-letter ISO code of the country. An address is set as a whole: send all of its parts.
        #[schema(nullable = false, example = "DE", max_length = 2)]
        address_country: Option<String>,
        /// Stripe's id of one of the customer's payment methods, with which invoices are paid.
        #[schema(nullable = false, example = "pm_sandbox_visa")]
        default_payment_method_id: Option<String>,
    }
}

change_body! {
    /// What changes; what is left out stays as it is.
    UpdateCustomerRequest {
        /// Address for receipts and invoices.
        #[schema(nullable = false, example = "ada@example.com", max_length = 512)]
        email: Option<String>,
        /// Name in full, or of the business.
        #[schema(nullable = false, example = "Lindqvist Robotics", max_length = 256)]
        name: Option<String>,
        /// Telephone number.
        #[schema(nullable = false, example = "+46 8 123 456", max_length = 20)]
        phone: Option<String>,
        /// Free text, seen in the Stripe Dashboard.
        #[schema(nullable = false, example = "Key account north", max_length = 5000)]
        description: Option<String>,
        /// Street and number of the address.
        #[schema(nullable = false, example = "Hafenstraße 7", max_length = 500)]
        address_line1: Option<String>,
        /// What the street does not say, as a floor.
        #[schema(nullable = false, example = "2nd floor", max_length = 500)]
        address_line2: Option<String>,
        /// City.
        #[schema(nullable = false, example = "Hamburg", max_length = 200)]
        address_city: Option<String>,
        /// State or province.
        #[schema(nullable = false, example = "Hamburg", max_length = 200)]
        address_state: Option<String>,
        /// Postal code.
        #[schema(nullable = false, example = "20457", max_length = 50)]
        address_postal_code: Option<String>,
        /// Two-letter ISO code of the country. An address is set as a whole: send all of its parts.
        #[schema(nullable = false, example = "DE", max_length = 2)]
        address_country: Option<String>,
        /// Stripe's id of one of the customer's payment methods, with which invoices are paid.
        #[schema(nullable = false, example = "pm_sandbox_visa")]
        default_payment_method_id: Option<String>,
        /// Notes to add or replace; others stay.
        #[schema(nullable = false)]
        metadata: Option<Vec<metadata::MetadataEntry>>,
    }
}

bulk_body! {
    /// Customers to create.
    CreateCustomersBulkRequest of CreateCustomerRequest
}

bulk_body! {
    /// Customers to create or update, each by its record.
    UpsertCustomersBulkRequest of UpsertCustomerRequest
}

answer_body! {
    /// A customer at Stripe.
    Customer {
        /// Stripe's id.
        #[schema(example = "cus_NffrFeUfNV2Hib")]
        stripe_id: String,
        /// Active, Delinquent or Deleted.
        #[schema(example = "Active")]
        status: String,
        /// Address for receipts.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "ada@example.com")]
        email: Option<String>,
        /// Name in full, or of the business.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Lindqvist Robotics")]
        name: Option<String>,
        /// Telephone number.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "+46 8 123 456")]
        phone: Option<String>,
        /// Free text.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Key account north")]
        description: Option<String>,
        /// What the customer owes (positive) or has as credit (negative) for coming invoices, in major units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "0.00")]
        balance: Option<String>,
        /// The same in minor units.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = 0)]
        balance_minor: Option<i64>,
        /// Stripe's id of the payment method with which invoices are paid.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "pm_1PqXyZ2eZvKYlo2Cabcdefgh")]
        default_payment_method_id: Option<String>,
        /// Currency of recurring payments, upper case; absent until there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "USD")]
        currency_code: Option<String>,
        /// Whether the latest invoice is overdue or its payment failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = false)]
        delinquent: Option<bool>,
        /// Whether it is real, not a test.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = false)]
        livemode: Option<bool>,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// Creates a customer.
#[utoipa::path(
    post, path = "/v1/customers", operation_id = "createCustomer", tag = "customers",
    request_body(content = CreateCustomerRequest, example = json!({
        "name": "Ada Brandt", "email": "ada@example.com", "salesforceRecordId": "001Kj000004NwRbIAK"
    })),
    responses(
        (status = "2XX", description = "The customer.", body = Customer),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_customer(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateCustomer>(asked).await
}

/// Creates up to 200 customers. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/customers/bulk", operation_id = "createCustomersBulk", tag = "customers",
    request_body(content = CreateCustomersBulkRequest, example = json!({ "items": [
        { "name": "Ada Brandt", "salesforceRecordId": "003Kj000007NwMkIAK" },
        { "name": "Northwind Robotics", "salesforceRecordId": "001Kj000004NwRbIAK", "idempotencyKey": "second customer" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_customers_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateCustomer>(asked).await
}

/// Creates the customer of a Salesforce record, or updates the one it has.
///
/// It is found by the record: the customer that upsertCustomer made, or one that has had the record in its metadata for some
/// minutes. However often and at whatever same time it is called, a record gets one customer.
#[utoipa::path(
    put, path = "/v1/customers", operation_id = "upsertCustomer", tag = "customers",
    request_body(content = UpsertCustomerRequest, example = json!({
        "name": "Northwind Robotics", "email": "ap@northwind.example", "salesforceRecordId": "001Kj000004NwRbIAK"
    })),
    responses(
        (status = "2XX", description = "The customer.", body = Customer),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn upsert_customer(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<UpsertCustomer>(asked).await
}

/// Creates or updates the customers of up to 200 records. Results come in the order of the items, and one bad item harms only
/// itself.
#[utoipa::path(
    put, path = "/v1/customers/bulk", operation_id = "upsertCustomersBulk", tag = "customers",
    request_body(content = UpsertCustomersBulkRequest, example = json!({ "items": [
        { "name": "Ada Brandt", "salesforceRecordId": "003Kj000007NwMkIAK" },
        { "name": "Northwind Robotics", "salesforceRecordId": "001Kj000004NwRbIAK" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn upsert_customers_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<UpsertCustomer>(asked).await
}

/// Gets a customer as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/customers/{customerId}", operation_id = "getCustomer", tag = "customers",
    params(("customerId" = String, Path, description = "Stripe's id.", example = "cus_sandbox")),
    responses(
        (status = "2XX", description = "The customer.", body = Customer),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_customer(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Customer, Customer>(reading, "customer", "customerId").await
}

/// Updates a customer.
#[utoipa::path(
    patch, path = "/v1/customers/{customerId}", operation_id = "updateCustomer", tag = "customers",
    params(("customerId" = String, Path, description = "Stripe's id.", example = "cus_sandbox")),
    request_body(content = UpdateCustomerRequest, example = json!({ "phone": "+49 30 5550 1170", "defaultPaymentMethodId": "pm_sandbox_visa" })),
    responses(
        (status = "2XX", description = "The customer.", body = Customer),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn update_customer(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<UpdateCustomer>(asked).await
}

/// See [`create_customer`].
pub(super) struct CreateCustomer;

impl Action for CreateCustomer {
    const NAME: &'static str = "createCustomer";
    const OBJECT: &'static str = "customer";
    type Object = stripe::objects::Customer;
    type Answer = Customer;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = read_customer(fields);
        let Common { metadata, key } = common(fields, head, Self::NAME);
        Some((stripe::CreateCustomer { metadata, ..customer }.request(), key))
    }

    fn answer(object: stripe::objects::Customer) -> Customer {
        Customer::from(object)
    }
}

/// See [`upsert_customer`].
pub(super) struct UpsertCustomer;

impl Action for UpsertCustomer {
    const NAME: &'static str = "upsertCustomer";
    const OBJECT: &'static str = "customer";
    const STATUS: StatusCode = StatusCode::OK;
    type Object = stripe::objects::Customer;
    type Answer = Customer;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = read_customer(fields);
        let default_payment_method = read_method(fields);
        let Common { metadata, key } = common_each_time(fields, head, Self::NAME);
        let (Some(object), Some(record)) = (metadata.get("sf_object"), metadata.get("sf_record_id")) else {
            if !fields.has_fault("salesforceRecordId") && !fields.has_fault("salesforceObject") {
                let expected = "the record whose customer it is";
                fields.missing("salesforceRecordId", expected, "001Kj000004NwRbIAK");
            }
            return None;
        };
        let (object, record) = (object.clone(), record.clone());
        let customer = stripe::CreateCustomer { metadata, default_payment_method, ..customer };
        Some((customer.request_for_record(&object, &record), key))
    }

    fn answer(object: stripe::objects::Customer) -> Customer {
        Customer::from(object)
    }
}

/// See [`update_customer`].
pub(super) struct UpdateCustomer;

impl Action for UpdateCustomer {
    const NAME: &'static str = "updateCustomer";
    const OBJECT: &'static str = "customer";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Customer;
    type Answer = Customer;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = read_customer(fields);
        let default_payment_method = read_method(fields);
        let metadata = metadata::read(fields, stripe::objects::Metadata::new());
        let (id, key) = change(fields, head, Self::NAME, "customerId");
        let customer = stripe::CreateCustomer { metadata, default_payment_method, ..customer };
        Some((customer.update(&id?), key))
    }

    fn answer(object: stripe::objects::Customer) -> Customer {
        Customer::from(object)
    }
}

fn read_customer(fields: &mut Fields) -> stripe::CreateCustomer {
    stripe::CreateCustomer {
        email: email(fields, "email"),
        name: fields.text("name", 256, "Lindqvist Robotics"),
        phone: fields.text("phone", 20, "+46 8 123 456"),
        description: fields.text("description", 5000, "Key account north"),
        address: read_address(fields),
        ..stripe::CreateCustomer::default()
    }
}

fn read_method(fields: &mut Fields) -> Option<String> {
    fields.stripe_id("defaultPaymentMethodId", "pm_", "pm_sandbox_visa")
}

fn read_address(fields: &mut Fields) -> Option<stripe::Address> {
    let address = stripe::Address {
        line1: fields.text("addressLine1", 500, "Hafenstraße 7"),
        line2: fields.text("addressLine2", 500, "2nd floor"),
        city: fields.text("addressCity", 200, "Hamburg"),
        state: fields.text("addressState", 200, "Hamburg"),
        postal_code: fields.text("addressPostalCode", 50, "20457"),
        country: read_country(fields),
    };
    let parts = [
        &address.line1,
        &address.line2,
        &address.city,
        &address.state,
        &address.postal_code,
        &address.country,
    ];
    parts.iter().any(|part| part.is_some()).then_some(address)
}

fn read_country(fields: &mut Fields) -> Option<String> {
    let text = fields.text("addressCountry", 2, "DE")?;
    let legal = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !legal {
        let problem = format!("`{text}` is not a country");
        fields.fault("addressCountry", problem, Some("a two-letter ISO code"), Some("DE"));
    }
    legal.then(|| text.to_ascii_uppercase())
}

impl From<stripe::objects::Customer> for Customer {
    fn from(customer: stripe::objects::Customer) -> Self {
        let currency = customer.currency.as_deref();
        Self {
            status: customer.plain_status().to_owned(),
            balance: customer.balance.zip(currency).and_then(|(balance, currency)| major(balance, currency)),
            balance_minor: customer.balance,
            default_payment_method_id: customer
                .invoice_settings
                .as_ref()
                .and_then(|settings| settings.default_payment_method.as_ref())
                .map(|method| method.id().to_owned()),
            currency_code: currency.map(str::to_uppercase),
            delinquent: customer.delinquent,
            livemode: customer.livemode,
            stripe_created_at: customer.created.and_then(timestamp),
            metadata: entries(&customer.metadata),
            stripe_id: customer.id,
            email: customer.email,
            name: customer.name,
            phone: customer.phone,
            description: customer.description,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
