//! Products and prices.

use super::{Form, Metadata, Recurrence, Request};

words! {
    /// Whether a price contains the tax.
    TaxBehavior {
        /// Tax comes on top.
        Exclusive = "exclusive",
        /// Tax is in it.
        Inclusive = "inclusive",
    }
}

/// `POST /v1/products`
#[derive(Clone, Debug, Default)]
pub struct CreateProduct {
    /// As the payer reads it.
    pub name: String,
    /// As the payer reads it.
    pub description: Option<String>,
    /// Whether it is sold.
    pub active: Option<bool>,
    /// What one piece is called, like `seat`.
    pub unit_label: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

impl CreateProduct {
    /// The request.
    pub fn request(&self) -> Request {
        let form = Form::new()
            .set("name", &self.name)
            .set_some("description", self.description.as_ref())
            .set_some("active", self.active)
            .set_some("unit_label", self.unit_label.as_ref())
            .set_some("url", self.url.as_ref())
            .map("metadata", &self.metadata);
        Request::post(&["products"], form)
    }
}

/// `POST /v1/prices`
#[derive(Clone, Debug)]
pub struct CreatePrice {
    /// `prod_…`
    pub product: String,
    /// Minor units.
    pub unit_amount: i64,
    /// Code in any case.
    pub currency: String,
    /// How often it is charged; once if absent.
    pub recurring: Option<Recurrence>,
    /// A name that the payer does not see.
    pub nickname: Option<String>,
    /// A name of the caller's to find it by.
    pub lookup_key: Option<String>,
    /// Whether it contains the tax.
    pub tax_behavior: Option<TaxBehavior>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

impl CreatePrice {
    /// The request.
    pub fn request(&self) -> Request {
        let form = Form::new()
            .set("product", &self.product)
            .set("unit_amount", self.unit_amount)
            .set("currency", self.currency.to_ascii_lowercase())
            .nest("recurring", self.recurring.map(Recurrence::form).unwrap_or_default())
            .set_some("nickname", self.nickname.as_ref())
            .set_some("lookup_key", self.lookup_key.as_ref())
            .set_some("tax_behavior", self.tax_behavior.map(TaxBehavior::word))
            .map("metadata", &self.metadata);
        Request::post(&["prices"], form)
    }
}

/// No longer sells a product.
pub fn archive_product(id: &str) -> Request {
    Request::post(&["products", id], Form::new().set("active", false))
}

/// No longer sells at a price; subscriptions that have it keep it.
pub fn archive_price(id: &str) -> Request {
    Request::post(&["prices", id], Form::new().set("active", false))
}
