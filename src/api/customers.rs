//! Customers: create, get.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::ApiState;
use super::action::{Action, Head, Kind, Resource};
use super::amounts::major;
use super::answer::{RequestId, json, timestamp};
use super::auth::{Caller, Scope};
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::{MetadataEntry, entries};
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::request::{Common, common, email, request_body};
use crate::stripe;

/// Everything about customers.
pub(super) const RESOURCE: Resource =
    Resource { actions: &[Kind::of::<CreateCustomer>()], routes, paths: Paths::openapi };

#[derive(OpenApi)]
#[openapi(paths(create_customer, create_customers_bulk, get_customer))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/customers").route(web::post().to(create_customer)))
        .service(web::resource("/customers/bulk").route(web::post().to(create_customers_bulk)))
        .service(web::resource("/customers/{customerId}").route(web::get().to(get_customer)));
}

request_body! {
    /// A customer to create. Nothing makes customers unique at Stripe: keep the id of the answer on the record.
    CreateCustomerRequest {
        /// Address for receipts.
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
    }
}

bulk_body! {
    /// Customers to create.
    CreateCustomersBulkRequest of CreateCustomerRequest
}

/// A customer at Stripe.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Customer {
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
    /// Notes, the links to Salesforce records among them.
    metadata: Vec<MetadataEntry>,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
    /// The key the creation travelled under.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "paybridge-createCustomer-001D000000IRFmaIAH")]
    idempotency_key: Option<String>,
    /// Whether this is the answer of an earlier call with the same key, and nothing was done now.
    #[schema(example = false)]
    idempotency_replayed: bool,
}

/// Creates a customer.
#[utoipa::path(
    post, path = "/v1/customers", operation_id = "createCustomer", tag = "customers",
    // Works as it stands against the sandbox, so that a first try in Swagger UI does.
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
        { "name": "Ada Brandt", "salesforceRecordId": "001Kj000004NwRbIAK" },
        { "name": "Lindqvist Robotics", "salesforceRecordId": "001Kj000004NwRcIAK" }
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

/// Gets a customer as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/customers/{customerId}", operation_id = "getCustomer", tag = "customers",
    params(("customerId" = String, Path, description = "Stripe's id.", example = "cus_NffrFeUfNV2Hib")),
    responses(
        (status = "2XX", description = "The customer.", body = Customer),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_customer(
    state: web::Data<ApiState>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::PaymentsRead)?;
    let customer = state.client(&request)?.customer(&id).await.map_err(|error| Problem::reading(&error))?;
    let customer = Customer { request_id: RequestId::of(&request), ..customer.into() };
    Ok(json(StatusCode::OK, &customer))
}

/// See [`create_customer`].
pub(super) struct CreateCustomer;

impl Action for CreateCustomer {
    const NAME: &'static str = "createCustomer";
    const OBJECT: &'static str = "customer";
    type Object = stripe::objects::Customer;
    type Answer = Customer;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let customer = stripe::CreateCustomer {
            email: email(fields, "email"),
            name: fields.text("name", 256, "Lindqvist Robotics"),
            phone: fields.text("phone", 20, "+46 8 123 456"),
            description: fields.text("description", 5000, "Key account north"),
            ..stripe::CreateCustomer::default()
        };
        let Common { metadata, key } = common(fields, head, Self::NAME);
        Some((stripe::CreateCustomer { metadata, ..customer }.request(), key))
    }

    fn answer(object: stripe::objects::Customer) -> Customer {
        Customer::from(object)
    }
}

impl From<stripe::objects::Customer> for Customer {
    fn from(customer: stripe::objects::Customer) -> Self {
        let currency = customer.currency.as_deref();
        Self {
            status: customer.plain_status().to_owned(),
            balance: customer.balance.zip(currency).and_then(|(balance, currency)| major(balance, currency)),
            balance_minor: customer.balance,
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
