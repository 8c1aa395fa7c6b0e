//! Products and prices.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{State, filled, new_id, text};
use super::{amounts, metadata};

const PRODUCT: &str = r#"{
    "object": "product", "active": true, "default_price": null, "description": null, "images": [],
    "livemode": false, "marketing_features": [], "metadata": {}, "package_dimensions": null, "shippable": null,
    "statement_descriptor": null, "tax_code": null, "tax_details": null, "type": "service", "unit_label": null,
    "url": null
}"#;
const PRICE: &str = r#"{
    "object": "price", "active": true, "billing_scheme": "per_unit", "custom_unit_amount": null, "livemode": false,
    "lookup_key": null, "metadata": {}, "nickname": null, "recurring": null, "tax_behavior": "unspecified",
    "tiers_mode": null, "transform_quantity": null, "type": "one_time"
}"#;

const PRODUCT_FIELDS: &[Rule] = &[
    ("name", Kind::Word),
    ("active", Kind::Bool),
    ("description", Kind::Text),
    ("metadata", Kind::Metadata),
    ("statement_descriptor", Kind::Text),
    ("unit_label", Kind::Text),
    ("url", Kind::Text),
    ("shippable", Kind::Bool),
    ("images[]", Kind::Word),
];
pub(super) const TAX_BEHAVIOURS: &[&str] = &["exclusive", "inclusive", "unspecified"];
pub(super) const INTERVALS: &[&str] = &["day", "week", "month", "year"];
const PRICE_FIELDS: &[Rule] = &[
    ("active", Kind::Bool),
    ("metadata", Kind::Metadata),
    ("nickname", Kind::Text),
    ("lookup_key", Kind::Text),
    ("tax_behavior", Kind::OneOf(TAX_BEHAVIOURS)),
];
const ON_CREATE: &[Rule] = &[
    ("currency", Kind::Word),
    ("unit_amount", Kind::Int),
    ("product", Kind::Word),
    ("product_data[name]", Kind::Word),
    ("product_data[metadata]", Kind::Metadata),
    ("billing_scheme", Kind::OneOf(&["per_unit"])),
    ("recurring[interval]", Kind::OneOf(INTERVALS)),
    ("recurring[interval_count]", Kind::Int),
    ("recurring[usage_type]", Kind::OneOf(&["licensed"])),
];
/// A price written into a subscription item.
pub(super) const INLINE: &[Rule] = &[
    ("items[][price_data][currency]", Kind::Word),
    ("items[][price_data][product]", Kind::Word),
    ("items[][price_data][unit_amount]", Kind::Int),
    ("items[][price_data][tax_behavior]", Kind::OneOf(TAX_BEHAVIOURS)),
    ("items[][price_data][recurring][interval]", Kind::OneOf(INTERVALS)),
    ("items[][price_data][recurring][interval_count]", Kind::Int),
];

/// Something to subscribe to: 49.00 USD a month.
pub(super) fn seed(state: &mut State, now: i64) {
    state.begin(now, None);
    let fields = json!({
        "id": "prod_sandbox_plan", "name": "Sandbox plan", "created": now, "updated": now,
        "default_price": "price_sandbox_monthly",
    });
    state.put(filled(PRODUCT, fields));
    let fields = json!({
        "id": "price_sandbox_monthly", "created": now, "currency": "usd", "product": "prod_sandbox_plan",
        "unit_amount": 4900, "unit_amount_decimal": "4900", "type": "recurring", "lookup_key": "sandbox_monthly",
        "recurring": recurring("month", 1),
    });
    state.put(filled(PRICE, fields));
}

/// `POST /v1/products`
pub(super) fn create_product(state: &mut State, form: &Form) -> Answer {
    form.check(&[PRODUCT_FIELDS, &[("id", Kind::Word)]])?;
    form.require(&["name"])?;
    let id = form.word("id").map_or_else(|| new_id("prod_"), str::to_owned);
    if state.get(&id).is_some() {
        let message = format!("Product already exists: '{id}'");
        return Err(Refusal::invalid(message).code("resource_already_exists").param("id"));
    }
    let mut product = filled(PRODUCT, json!({ "id": id, "created": state.now }));
    fill_product(state, form, &mut product)?;
    state.save("product.created", product.clone());
    Ok(product)
}

/// `POST /v1/products/{id}`
pub(super) fn update_product(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[PRODUCT_FIELDS, &[("default_price", Kind::Word)]])?;
    let mut product = state.find("product", id, "id")?;
    if let Some(price) = form.word("default_price") {
        state.find("price", price, "default_price")?;
        product["default_price"] = json!(price);
    }
    fill_product(state, form, &mut product)?;
    state.save("product.updated", product.clone());
    Ok(product)
}

fn fill_product(state: &State, form: &Form, product: &mut Value) -> Result<(), Refusal> {
    form.copy_texts(&["name", "description", "statement_descriptor", "unit_label", "url"], product);
    for name in ["active", "shippable"] {
        if let Some(flag) = form.flag(name) {
            product[name] = json!(flag);
        }
    }
    if form.has("images") {
        product["images"] = json!(form.words("images"));
    }
    product["updated"] = json!(state.now);
    metadata::merge(form, product)
}

/// `POST /v1/prices`
pub(super) fn create(state: &mut State, form: &Form) -> Answer {
    form.check(&[PRICE_FIELDS, ON_CREATE])?;
    form.require(&["currency", "unit_amount"])?;
    let product = match form.word("product") {
        Some(id) => text(&state.find("product", id, "product")?, "id").to_owned(),
        None => product_for_price(state, form)?,
    };
    let mut price = priced(state, form, "", &product)?;
    fill_price(form, &mut price)?;
    state.save("price.created", price.clone());
    Ok(price)
}

/// `POST /v1/prices/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Form) -> Answer {
    form.check(&[PRICE_FIELDS])?;
    let mut price = state.find("price", id, "id")?;
    fill_price(form, &mut price)?;
    state.save("price.updated", price.clone());
    Ok(price)
}

/// The price that `price_data` of a subscription item describes.
pub(super) fn inline(state: &mut State, item: &Form) -> Answer {
    item.require(&[
        "price_data[currency]",
        "price_data[product]",
        "price_data[unit_amount]",
        "price_data[recurring][interval]",
    ])?;
    let param = item.name_of("price_data[product]");
    let product = state.find("product", item.word("price_data[product]").unwrap_or_default(), &param)?;
    for_one_use(state, item, text(&product, "id"))
}

/// The price that `price_data` of a line item describes: it may bring its product along, and need not recur.
pub(super) fn of_line(state: &mut State, item: &Form) -> Answer {
    item.require(&["price_data[currency]", "price_data[unit_amount]"])?;
    let product = match (item.word("price_data[product]"), item.word("price_data[product_data][name]")) {
        (Some(id), None) => {
            text(&state.find("product", id, &item.name_of("price_data[product]"))?, "id").to_owned()
        }
        (None, Some(name)) => new_product(state, name, item.word("price_data[product_data][description]")),
        (None, None) => return Err(Refusal::missing_param(&item.name_of("price_data[product]"))),
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: product, product_data.";
            return Err(Refusal::invalid(message).param(&item.name_of("price_data[product]")));
        }
    };
    for_one_use(state, item, &product)
}

/// A price made on the way; nothing else can use it.
fn for_one_use(state: &mut State, item: &Form, product: &str) -> Answer {
    let mut price = priced(state, item, "price_data", product)?;
    if let Some(behaviour) = item.word("price_data[tax_behavior]") {
        price["tax_behavior"] = json!(behaviour);
    }
    price["active"] = json!(false);
    state.put(price.clone());
    Ok(price)
}

/// A price with amount, currency and interval from the form, where they stand at the top or below a name.
fn priced(state: &State, form: &Form, below: &str, product: &str) -> Answer {
    let name = |field: &str| match (below, field.split_once('[')) {
        ("", _) => field.to_owned(),
        (below, Some((head, rest))) => format!("{below}[{head}][{rest}"),
        (below, None) => format!("{below}[{field}]"),
    };
    let param = form.name_of(&name("unit_amount"));
    let currency = amounts::currency(
        form.word(&name("currency")).unwrap_or_default(),
        &form.name_of(&name("currency")),
    )?;
    let amount = form.int(&name("unit_amount")).unwrap_or_default();
    if amount < 0 {
        let message = "This value must be greater than or equal to 0.";
        return Err(Refusal::invalid(message).code("parameter_invalid_integer").param(&param));
    }
    amounts::check_multiple(amount, &currency, &param)?;
    let mut price = filled(
        PRICE,
        json!({
            "id": new_id("price_1"), "created": state.now, "currency": currency, "product": product,
            "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
        }),
    );
    if let Some(interval) = form.word(&name("recurring[interval]")) {
        let count = form.int(&name("recurring[interval_count]")).unwrap_or(1);
        let years_at_most = if interval == "day" { 365 * 3 } else { 36 * 4 };
        if !(1..=years_at_most).contains(&count) {
            let param = form.name_of(&name("recurring[interval_count]"));
            return Err(Refusal::invalid("Invalid interval_count.").param(&param));
        }
        price["recurring"] = recurring(interval, count);
        price["type"] = json!("recurring");
    } else if form.has(&name("recurring")) {
        return Err(Refusal::missing_param(&form.name_of(&name("recurring[interval]"))));
    }
    Ok(price)
}

fn recurring(interval: &str, count: i64) -> Value {
    json!({
        "interval": interval, "interval_count": count, "meter": null, "trial_period_days": null,
        "usage_type": "licensed",
    })
}

fn fill_price(form: &Form, price: &mut Value) -> Result<(), Refusal> {
    form.copy_texts(&["nickname", "lookup_key", "tax_behavior"], price);
    if let Some(active) = form.flag("active") {
        price["active"] = json!(active);
    }
    metadata::merge(form, price)
}

/// A price may bring its own product.
fn product_for_price(state: &mut State, form: &Form) -> Result<String, Refusal> {
    let Some(name) = form.word("product_data[name]") else { return Err(Refusal::missing_param("product")) };
    Ok(new_product(state, name, None))
}

fn new_product(state: &mut State, name: &str, description: Option<&str>) -> String {
    let id = new_id("prod_");
    let fields = json!({
        "id": id, "created": state.now, "updated": state.now, "name": name, "description": description,
    });
    state.save("product.created", filled(PRODUCT, fields));
    id
}
