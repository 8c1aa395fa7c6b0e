//! What is sold.

use serde::Deserialize;

use super::{Expandable, Metadata, Price, null_as_default};

/// Something that is sold; what it costs are its prices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Product {
    /// `prod_…`
    pub id: String,
    /// As the payer reads it.
    pub name: String,
    /// As the payer reads it.
    pub description: Option<String>,
    /// Whether it is sold.
    pub active: bool,
    /// What one piece is called.
    pub unit_label: Option<String>,
    /// Its page.
    pub url: Option<String>,
    /// What it usually costs.
    pub default_price: Option<Expandable<Price>>,
    /// When it was created.
    pub created: i64,
    /// Whether it is real.
    pub livemode: bool,
    /// Key-value pairs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}
