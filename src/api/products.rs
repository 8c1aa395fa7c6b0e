//! Products: create, get, archive.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use utoipa::OpenApi;

use super::action::{Action, Head, Kind, Resource};
use super::answer::answer_body;
use super::bulk::{BulkAnswer, bulk, bulk_body};
use super::fields::Fields;
use super::idempotency::Key;
use super::metadata::entries;
use super::moments::timestamp;
use super::pipeline::{Asked, single};
use super::problem::{self, Problem};
use super::reading::{Reading, one};
use super::request::{self, Common, change, change_body, common, request_body};
use crate::stripe;

/// Everything about products.
pub(super) const RESOURCE: Resource = Resource {
    actions: &[Kind::of::<CreateProduct>(), Kind::of::<ArchiveProduct>()],
    routes,
    paths: Paths::openapi,
};

#[derive(OpenApi)]
#[openapi(paths(create_product, create_products_bulk, get_product, archive_product))]
struct Paths;

fn routes(app: &mut web::ServiceConfig) {
    app.service(web::resource("/products").route(web::post().to(create_product)))
        .service(web::resource("/products/bulk").route(web::post().to(create_products_bulk)))
        .service(web::resource("/products/{productId}").route(web::get().to(get_product)))
        .service(web::resource("/products/{productId}/archive").route(web::post().to(archive_product)));
}

request_body! {
    /// A product to create, from the values of a Product2. What it costs are its prices.
    CreateProductRequest {
        /// Product2.Name, as the payer reads it.
        #[schema(example = "Welding arm", max_length = 250)]
        name: String,
        /// Product2.Description, as the payer reads it.
        #[schema(nullable = false, example = "Six axes, 12 kg", max_length = 5000)]
        description: Option<String>,
        /// Product2.ProductCode; kept in the metadata as productCode.
        #[schema(nullable = false, example = "ARM-12", max_length = 255)]
        product_code: Option<String>,
        /// Product2.IsActive; true if absent.
        #[schema(nullable = false, default = true, example = true)]
        is_active: Option<bool>,
        /// Product2.QuantityUnitOfMeasure: what one piece is called on invoices.
        #[schema(nullable = false, example = "seat", max_length = 255)]
        unit_label: Option<String>,
        /// The product's page.
        #[schema(nullable = false, example = "https://example.com/arm", max_length = 2048)]
        product_url: Option<String>,
    }
}

bulk_body! {
    /// Products to create.
    CreateProductsBulkRequest of CreateProductRequest
}

change_body! {
    /// Nothing has to be said.
    ArchiveProductRequest {}
}

answer_body! {
    /// Something that is sold.
    Product {
        /// Stripe's id; keep it on the Product2.
        #[schema(example = "prod_QhXyZ2eZvKYlo2")]
        stripe_id: String,
        /// Active or Archived.
        #[schema(example = "Active")]
        status: String,
        /// As the payer reads it.
        #[schema(example = "Welding arm")]
        name: String,
        /// As the payer reads it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "Six axes, 12 kg")]
        description: Option<String>,
        /// Whether it is sold.
        #[schema(example = true)]
        is_active: bool,
        /// What one piece is called on invoices.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "seat")]
        unit_label: Option<String>,
        /// The product's page.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "https://example.com/arm")]
        product_url: Option<String>,
        /// Stripe's id of what it usually costs.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, example = "price_1PqXyZ2eZvKYlo2Cabcdefgh")]
        default_price_id: Option<String>,
        /// Whether it is real, not a test.
        #[schema(example = false)]
        livemode: bool,
        /// When Stripe created it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false, format = DateTime, example = "2026-11-20T16:00:00Z")]
        stripe_created_at: Option<String>,
    }
}

/// Creates a product.
#[utoipa::path(
    post, path = "/v1/products", operation_id = "createProduct", tag = "catalog",
    request_body(content = CreateProductRequest, example = json!({
        "name": "Welding arm", "description": "Six axes, 12 kg", "productCode": "ARM-12"
    })),
    responses(
        (status = "2XX", description = "The product.", body = Product),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn create_product(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<CreateProduct>(asked).await
}

/// Creates up to 200 products. Results come in the order of the items, and one bad item harms only itself.
#[utoipa::path(
    post, path = "/v1/products/bulk", operation_id = "createProductsBulk", tag = "catalog",
    request_body(content = CreateProductsBulkRequest, example = json!({ "items": [
        { "name": "Welding arm", "productCode": "ARM-12" }, { "name": "Gripper", "productCode": "GRP-2" }
    ] })),
    responses(
        (status = "2XX", description = "What became of each item.", body = BulkAnswer),
        (status = "4XX", description = "The request as a whole has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service has a problem.", body = problem::Body),
    ),
)]
async fn create_products_bulk(asked: Asked) -> Result<HttpResponse, Problem> {
    bulk::<CreateProduct>(asked).await
}

/// Gets a product as Stripe has it now.
#[utoipa::path(
    get, path = "/v1/products/{productId}", operation_id = "getProduct", tag = "catalog",
    params(("productId" = String, Path, description = "Stripe's id.", example = "prod_sandbox_plan")),
    responses(
        (status = "2XX", description = "The product.", body = Product),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn get_product(reading: Reading) -> Result<HttpResponse, Problem> {
    one::<stripe::objects::Product, Product>(reading, "product", "productId").await
}

/// No longer sells a product. Subscriptions that have it keep it.
#[utoipa::path(
    post, path = "/v1/products/{productId}/archive", operation_id = "archiveProduct", tag = "catalog",
    params(("productId" = String, Path, description = "Stripe's id.", example = "prod_sandbox_old")),
    request_body(content = ArchiveProductRequest, example = json!({})),
    responses(
        (status = "2XX", description = "The product.", body = Product),
        (status = "4XX", description = "The request has to be changed.", body = problem::Body),
        (status = "5XX", description = "The service or Stripe has a problem.", body = problem::Body),
    ),
)]
async fn archive_product(asked: Asked) -> Result<HttpResponse, Problem> {
    single::<ArchiveProduct>(asked).await
}

/// See [`create_product`].
pub(super) struct CreateProduct;

impl Action for CreateProduct {
    const NAME: &'static str = "createProduct";
    const OBJECT: &'static str = "product";
    type Object = stripe::objects::Product;
    type Answer = Product;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let name = fields.text("name", 250, "Welding arm");
        if name.is_none() && !fields.has_fault("name") {
            fields.missing("name", "what the payer reads", "Welding arm");
        }
        let product = stripe::CreateProduct {
            description: fields.text("description", 5000, "Six axes, 12 kg"),
            active: fields.flag("isActive"),
            unit_label: fields.text("unitLabel", 255, "seat"),
            url: request::url(fields, "productUrl"),
            ..stripe::CreateProduct::default()
        };
        let code = fields.text("productCode", 255, "ARM-12");
        let Common { mut metadata, key } = common(fields, head, Self::NAME);
        if let Some(code) = code {
            metadata.entry("productCode".to_owned()).or_insert(code);
        }
        Some((stripe::CreateProduct { name: name?, metadata, ..product }.request(), key))
    }

    fn answer(object: stripe::objects::Product) -> Product {
        Product::from(object)
    }
}

/// See [`archive_product`].
pub(super) struct ArchiveProduct;

impl Action for ArchiveProduct {
    const NAME: &'static str = "archiveProduct";
    const OBJECT: &'static str = "product";
    const STATUS: StatusCode = StatusCode::OK;
    const CHANGES: bool = true;
    type Object = stripe::objects::Product;
    type Answer = Product;

    fn read(fields: &mut Fields, head: &Head) -> Option<(stripe::Request, Key)> {
        let (id, key) = change(fields, head, Self::NAME, "productId");
        Some((stripe::archive_product(&id?), key))
    }

    fn answer(object: stripe::objects::Product) -> Product {
        Product::from(object)
    }
}

impl From<stripe::objects::Product> for Product {
    fn from(product: stripe::objects::Product) -> Self {
        Self {
            status: product.plain_status().to_owned(),
            default_price_id: product.default_price.as_ref().map(|price| price.id().to_owned()),
            stripe_created_at: timestamp(product.created),
            metadata: entries(&product.metadata),
            stripe_id: product.id,
            name: product.name,
            description: product.description,
            is_active: product.active,
            unit_label: product.unit_label,
            product_url: product.url,
            livemode: product.livemode,
            request_id: String::new(),
            idempotency_key: None,
            idempotency_replayed: false,
        }
    }
}
