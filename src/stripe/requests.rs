//! What we ask of Stripe, and the form fields it becomes. Customers, payments and subscriptions are here, the rest below.

use super::form::Form;
use super::objects::Metadata;
use super::request::{CUSTOMER_OF, MADE, Request};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $variant),+ }

        impl $name {
            /// The word as Stripe spells it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

mod billing;
mod catalog;
mod changes;
mod checkout;

pub use billing::{CreateInvoice, CreateSchedule, InvoiceLine, ScheduleEnd, Term};
pub use catalog::{CreatePrice, CreateProduct, TaxBehavior, archive_price, archive_product};
pub use changes::{
    ChangeItem, ChangeItems, ConfirmPaymentIntent, CreateRefund, Pause, PayInvoice, Proration,
    cancel_at_period_end, cancel_payment_intent, cancel_schedule, cancel_subscription,
    capture_payment_intent, deactivate_payment_link, expire_checkout_session, finalize_invoice,
    pause_subscription, release_schedule, resume_collection, resume_subscription, send_invoice, void_invoice,
};
pub use checkout::{CheckoutMode, CreateCheckoutSession, CreatePaymentLink, Sale};

words! {
    /// When the money is taken.
    CaptureMethod {
        /// At once.
        Automatic = "automatic",
        /// Authorised now, captured by a later request.
        Manual = "manual",
    }
}

words! {
    /// How the invoices of a subscription are paid.
    CollectionMethod {
        /// Stripe charges the default payment method.
        ChargeAutomatically = "charge_automatically",
        /// Stripe mails an invoice.
        SendInvoice = "send_invoice",
    }
}

words! {
    /// What happens when the first payment of a subscription does not succeed at once.
    PaymentBehavior {
        /// Try to charge; incomplete when that fails.
        AllowIncomplete = "allow_incomplete",
        /// Incomplete until the payer confirms.
        DefaultIncomplete = "default_incomplete",
        /// Create nothing when the payment fails.
        ErrorIfIncomplete = "error_if_incomplete",
    }
}

words! {
    /// What happens when a trial ends and the customer has nothing to pay with.
    TrialEnd {
        /// The subscription ends.
        Cancel = "cancel",
        /// An invoice is made, and stays unpaid.
        CreateInvoice = "create_invoice",
        /// The subscription is paused.
        Pause = "pause",
    }
}

words! {
    /// How often a price is charged.
    Interval {
        /// Every day.
        Day = "day",
        /// Every week.
        Week = "week",
        /// Every month.
        Month = "month",
        /// Every year.
        Year = "year",
    }
}

/// `POST /v1/customers`
#[derive(Clone, Debug, Default)]
pub struct CreateCustomer {
    /// Address for receipts.
    pub email: Option<String>,
    /// Name in full, or of the business.
    pub name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Where the customer is.
    pub address: Option<Address>,
    /// `pm_…`, with which invoices are paid unless they say otherwise.
    pub default_payment_method: Option<String>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

/// A postal address. An update replaces it as a whole.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// Street and number.
    pub line1: Option<String>,
    /// What the street does not say.
    pub line2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or province.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Two-letter code.
    pub country: Option<String>,
}

impl Address {
    fn form(&self) -> Form {
        Form::new()
            .set_some("line1", self.line1.as_ref())
            .set_some("line2", self.line2.as_ref())
            .set_some("city", self.city.as_ref())
            .set_some("state", self.state.as_ref())
            .set_some("postal_code", self.postal_code.as_ref())
            .set_some("country", self.country.as_ref())
    }
}

impl CreateCustomer {
    /// The request.
    pub fn request(&self) -> Request {
        Request::post(&["customers"], self.form())
    }

    /// The request that sets the same fields of a customer that exists; what is `None` stays.
    pub fn update(&self, id: &str) -> Request {
        Request::post(&["customers", id], self.form())
    }

    /// The request that sets the fields of the one customer of a Salesforce record, and makes that customer if there is none.
    ///
    /// It is made with nothing but its record, so that those who ask at the same time ask for the same.
    pub fn request_for_record(&self, object: &str, record_id: &str) -> Request {
        let names = [("sf_object", object), ("sf_record_id", record_id)];
        let metadata = names.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { metadata, ..Self::default() }
            .request()
            .unless_found(("sf_record_id", record_id), format!("{CUSTOMER_OF}{record_id}"))
            .then(Request::post(&["customers", MADE], self.form()))
    }

    fn form(&self) -> Form {
        Form::new()
            .set_some("email", self.email.as_ref())
            .set_some("name", self.name.as_ref())
            .set_some("phone", self.phone.as_ref())
            .set_some("description", self.description.as_ref())
            .nest("address", self.address.as_ref().map(Address::form).unwrap_or_default())
            .set_some("invoice_settings[default_payment_method]", self.default_payment_method.as_ref())
            .map("metadata", &self.metadata)
    }
}

/// `POST /v1/payment_intents`
#[derive(Clone, Debug)]
pub struct CreatePaymentIntent {
    /// Minor units.
    pub amount: i64,
    /// Code in any case.
    pub currency: String,
    /// `cus_…`
    pub customer: Option<String>,
    /// `pm_…`
    pub payment_method: Option<String>,
    /// Whether to try to collect the money at once.
    pub confirm: bool,
    /// Whether the payer is absent and cannot authenticate; only together with `confirm`.
    pub off_session: bool,
    /// When the money is taken.
    pub capture_method: CaptureMethod,
    /// Ways of paying to offer, like `card`; those of the account's settings if empty.
    pub allowed_types: Vec<String>,
    /// Ways of paying not to offer.
    pub excluded_types: Vec<String>,
    /// Whether the customer can be charged with the same payment method later, without being there.
    pub save_for_later: bool,
    /// Free text.
    pub description: Option<String>,
    /// Where Stripe sends the receipt.
    pub receipt_email: Option<String>,
    /// Where the payer returns to after a redirect; only together with `confirm`.
    pub return_url: Option<String>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

impl CreatePaymentIntent {
    /// The request.
    pub fn request(&self) -> Request {
        Request::post(&["payment_intents"], self.form())
    }

    fn form(&self) -> Form {
        // `payment_method_types` left the API with 2026-09-30. Confirming without a place to return to is only allowed
        // when ways of paying that redirect are ruled out.
        let redirects = (self.confirm && self.return_url.is_none()).then_some("never");
        // Whoever names ways of paying does not want those of the account's settings.
        let automatic = if self.allowed_types.is_empty() {
            Form::new().set("enabled", true).set_some("allow_redirects", redirects)
        } else {
            Form::new()
        };
        Form::new()
            .set("amount", self.amount)
            .set("currency", self.currency.to_ascii_lowercase())
            .set_some("customer", self.customer.as_ref())
            .set_some("payment_method", self.payment_method.as_ref())
            .nest("automatic_payment_methods", automatic)
            .words("allowed_payment_method_types", &self.allowed_types)
            .words("excluded_payment_method_types", &self.excluded_types)
            .set_some("setup_future_usage", self.save_for_later.then_some("off_session"))
            .set_some("confirm", self.confirm.then_some(true))
            .set_some("off_session", (self.confirm && self.off_session).then_some(true))
            .set("capture_method", self.capture_method.word())
            .set_some("description", self.description.as_ref())
            .set_some("receipt_email", self.receipt_email.as_ref())
            .set_some("return_url", self.return_url.as_ref().filter(|_| self.confirm))
            .map("metadata", &self.metadata)
    }
}

/// `POST /v1/subscriptions`
#[derive(Clone, Debug)]
pub struct CreateSubscription {
    /// `cus_…`
    pub customer: String,
    /// 1 to 20.
    pub items: Vec<NewItem>,
    /// Days before the first charge.
    pub trial_period_days: Option<i64>,
    /// How the invoices are paid.
    pub collection_method: CollectionMethod,
    /// Days to pay an invoice; required with [`CollectionMethod::SendInvoice`], forbidden otherwise.
    pub days_until_due: Option<i64>,
    /// `pm_…`
    pub default_payment_method: Option<String>,
    /// When the first payment does not succeed; Stripe's default if absent.
    pub payment_behavior: Option<PaymentBehavior>,
    /// When a trial ends and there is nothing to pay with; Stripe's default if absent.
    pub trial_end_behavior: Option<TrialEnd>,
    /// Free text, seen by the customer.
    pub description: Option<String>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

/// One product in a new subscription.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// What it costs.
    pub price: NewPrice,
    /// How many.
    pub quantity: Option<i64>,
}

/// A price that exists, or one made for this subscription.
#[derive(Clone, Debug)]
pub enum NewPrice {
    /// `price_…`
    Existing(String),
    /// A price made on the way.
    Inline {
        /// Minor units.
        unit_amount: i64,
        /// Code in any case.
        currency: String,
        /// What it is the price of.
        product: PricedProduct,
        /// How often it is charged; once if absent.
        recurring: Option<Recurrence>,
    },
}

/// What a price made on the way is the price of.
#[derive(Clone, Debug)]
pub enum PricedProduct {
    /// `prod_…`
    Existing(String),
    /// One that is made as well. Subscriptions and schedules do not take it.
    Named(String),
}

/// How often a price is charged.
#[derive(Clone, Copy, Debug)]
pub struct Recurrence {
    /// Every such interval,
    pub interval: Interval,
    /// or every so many of them.
    pub count: i64,
}

impl Recurrence {
    fn form(self) -> Form {
        Form::new().set("interval", self.interval.word()).set("interval_count", self.count)
    }
}

impl CreateSubscription {
    /// The request.
    pub fn request(&self) -> Request {
        Request::post(&["subscriptions"], self.form())
    }

    fn form(&self) -> Form {
        Form::new()
            .set("customer", &self.customer)
            .list("items", self.items.iter().map(NewItem::form))
            .set_some("trial_period_days", self.trial_period_days)
            .set("collection_method", self.collection_method.word())
            .set_some("days_until_due", self.days_until_due)
            .set_some("default_payment_method", self.default_payment_method.as_ref())
            .set_some("payment_behavior", self.payment_behavior.map(PaymentBehavior::word))
            .set_some(
                "trial_settings[end_behavior][missing_payment_method]",
                self.trial_end_behavior.map(TrialEnd::word),
            )
            .set_some("description", self.description.as_ref())
            .map("metadata", &self.metadata)
    }
}

impl NewItem {
    fn form(&self) -> Form {
        self.price.form().set_some("quantity", self.quantity)
    }
}

impl NewPrice {
    /// `price` or `price_data`.
    fn form(&self) -> Form {
        match self {
            Self::Existing(id) => Form::new().set("price", id),
            Self::Inline { unit_amount, currency, product, recurring } => {
                let price = Form::new().set("currency", currency.to_ascii_lowercase());
                let price = match product {
                    PricedProduct::Existing(id) => price.set("product", id),
                    PricedProduct::Named(name) => price.nest("product_data", Form::new().set("name", name)),
                };
                let price = price
                    .nest("recurring", recurring.map(Recurrence::form).unwrap_or_default())
                    .set("unit_amount", unit_amount);
                Form::new().nest("price_data", price)
            }
        }
    }
}
