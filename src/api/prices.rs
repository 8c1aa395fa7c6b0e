//! Prices: create, get, archive.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::amounts::{self, UNIT_AMOUNT, major};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::items::read_recurrence;
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{Common, change, change_body, common, request_body};
use crate::stripe::{self, TaxBehavior};

/// Everything about prices.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[Kind::of::<CreatePrice>(), Kind::of::<ArchivePrice>()],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(create_price, create_prices_bulk, get_price, archive_price))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/prices").route(web::post().to(create_price)))
        .service(web::resource("/prices/bulk").route(web::post().to(create_prices_bulk)))
        .service(web::resource("/prices/{priceId}").route(web::get().to(get_price)))
        .service(web::resource("/prices/{priceId}/archive").route(web::post().to(archive_price)));
}

request_body! {
    /// A price to create, from the values of a PricebookEntry. Its amount never changes: archive it and create another.
    CreatePriceRequest {
        /// Stripe's id of the product.
        #[schema(example = "prod_sandbox_plan")]
        product_id: String,
        /// PricebookEntry.UnitPrice: decimal amount in major units, as text; a JSON number is taken too, and read exactly.
        #[schema(nullable = false, example = "49.00")]
        unit_amount: Option<String>,
        /// Whole minor units (cents, or whole yen), instead of unitAmount.
        #[schema(nullable = false, example = 4900, minimum = 0)]
        unit_amount_minor: Option<i64>,
        /// PricebookEntry.CurrencyIsoCode, or the org's currency: a three-letter ISO code.
        #[schema(example = "USD")]
        currency_code: String,
        /// day, week, month or year for what is paid again and again; absent for what is paid once.
        #[schema(nullable = false, example = "month")]
        billing_interval: Option<String>,
        /// Every so many intervals, three years at most; 1 if absent.
        #[schema(nullable = false, example = 1, minimum = 1, maximum = 1095)]
        billing_interval_count: Option<i64>,
        /// A name for people in the Dashboard; the payer does not see it.
        #[schema(nullable = false, example = "Standard Price Book", max_length = 5000)]
        nickname: Option<String>,
        /// A name of your own to find the price by at Stripe; no two prices may have the same.
        #[schema(nullable = false, example = "arm_monthly_usd", max_length = 200)]
        lookup_key: Option<String>,
        /// exclusive: tax comes on top. inclusive: tax is in the amount. Absent: as the account's settings say.
        #[schema(nullable = false, example = "exclusive")]
        tax_behavior: Option<String>,
    }
}

bulk_body! {
    /// Prices to create.
    CreatePricesBulkRequest of CreatePriceRequest
}

change_body! {
    /// Nothing has to be said.
    ArchivePriceRequest {}
}

answer_body! {
    /// What a product costs.
    Price {
        /// Stripe's id; keep it on the PricebookEntry.
        #[schema(example = "price_1PqXyZ2eZvKYlo2Cabcdefgh")]
        stripe_id: String,
        /// Active or Archived.
        #[schema(example = "Active")]
        status: String,
        /// Stripe's id of the product.
        #[schema(example = "prod_QhXyZ2eZvKYlo2")]
        product_id: String,
        /// What one costs, in major units; absent for graduated prices.
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
        /// day, week, month or year; absent for what is paid once.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "month")]
        billing_interval: Option<String>,
        /// Every so many intervals.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = 1)]
        billing_interval_count: Option<i64>,
        /// Whether it is sold.
        #[schema(example = true)]
        is_active: bool,
        /// A name for people in the Dashboard.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Standard Price Book")]
        nickname: Option<String>,
        /// A name of your own.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "arm_monthly_usd")]
        lookup_key: Option<String>,
        /// exclusive, inclusive or unspecified.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "exclusive")]
        tax_behavior: Option<String>,
        /// Whether it is real, not a test.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// Creates a price of a product.
#[utoipa::path(
    post, path = "/v1/prices", operation_id = "createPrice", tag = "catalog",
    request_body(content = CreatePriceRequest, example = json!({
        "productId": "prod_sandbox_plan", "unitAmount": "59.00", "currencyCode": "USD", "billingInterval": "month"
    })),
    responses(
        (status = "2XX", description = "The price.", body = Price),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_price(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreatePrice>(asked).await
}

/// Creates up to 200 prices. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/prices/bulk", operation_id = "createPricesBulk", tag = "catalog",
    request_body(content = CreatePricesBulkRequest, example = json!({ "items": [
        { "productId": "prod_sandbox_plan", "unitAmount": "59.00", "currencyCode": "USD", "billingInterval": "month" },
        { "productId": "prod_sandbox_plan", "unitAmount": "590.00", "currencyCode": "USD", "billingInterval": "year" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_prices_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreatePrice>(asked).await
}

/// Gets a price as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/prices/{priceId}", operation_id = "getPrice", tag = "catalog",
    params(("priceId" = String, Path, description = "Stripe's id.", example = "price_sandbox_monthly")),
    responses(
        (status = "2XX", description = "The price.", body = Price),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_price(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Price, Price>(reading, "price", "priceId").await
}

/// No longer sells at a price. Subscriptions that have it keep it.
#[utoipa::path(
    post, path = "/v1/prices/{priceId}/archive", operation_id = "archivePrice", tag = "catalog",
    params(("priceId" = String, Path, description = "Stripe's id.", example = "price_sandbox_old")),
    request_body(content = ArchivePriceRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The price.", body = Price),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn archive_price(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ArchivePrice>(asked).await
}

/// See [`create_price`].
pub(super) struct CreatePrice;

impl Action for CreatePrice {
    const NAME: &'static str = "createPrice";
    const OBJECT: &'static str = "price";
    type Object = stripe::objects::Price;
    type Answer = Price;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let product = fields.stripe_id("productId", "", "prod_sandbox_plan");
        if product.is_none() && !fields.has_fault("productId") {
            fields.missing("productId", "the Stripe id of a product", "prod_sandbox_plan");
        }
        let amount = amounts::read(fields, &UNIT_AMOUNT, 0);
        let recurring = read_recurrence(fields);
        let nickname = fields.text("nickname", 5000, "Standard Price Book");
        let lookup_key = fields.text("lookupKey", 200, "arm_monthly_usd");
        let words = [TaxBehavior::Exclusive, TaxBehavior::Inclusive].map(|tax| (tax.word(), tax));
        let tax_behavior = fields.word("taxBehavior", &words);
        let Common { metadata, key } = common(fields, head, Self::NAME);
        let amount = amount?;
        let wanted = stripe::CreatePrice {
            product: product?,
            unit_amount: amount.minor(),
            currency: amount.currency().code().to_owned(),
            recurring,
            nickname,
            lookup_key,
            tax_behavior,
            metadata,
        };
        Some((wanted.request(), key))
    }

    fn answer(object: stripe::objects::Price) -> Price {
        Price::from(object)
    }
}

/// See [`archive_price`].
pub(super) struct ArchivePrice;

impl Action for ArchivePrice {
    const NAME: &'static str = "archivePrice";
    const OBJECT: &'static str = "price";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Price;
    type Answer = Price;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "priceId");
        Some((stripe::archive_price(&id?), key))
    }

    fn answer(object: stripe::objects::Price) -> Price {
        Price::from(object)
    }
}

impl From<stripe::objects::Price> for Price {
    fn from(price: stripe::objects::Price) -> Self {
        let recurring = price.recurring.as_ref();
        Self {
            status: price.plain_status().to_owned(),
            product_id: price.product.id().to_owned(),
            unit_amount: price.unit_amount.and_then(|amount| major(amount, &price.currency)),
            unit_amount_minor: price.unit_amount,
            currency_code: price.currency.to_uppercase(),
            billing_interval: recurring.map(|recurring| recurring.interval.clone()),
            billing_interval_count: recurring.map(|recurring| recurring.interval_count),
            is_active: price.active,
            stripe_created_at: timestamp(price.created),
            metadata: entries(&price.metadata),
            stripe_id: price.id,
            nickname: price.nickname,
            lookup_key: price.lookup_key,
            tax_behavior: price.tax_behavior,
            livemode: price.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
