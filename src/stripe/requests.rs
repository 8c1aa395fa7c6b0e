//! What we ask Stripe to create, and the form fields it becomes.

use super::form::Form;
use super::objects::Metadata;
use super::request::Request;

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
    /// At most 50 keys.
    pub metadata: Metadata,
}

impl CreateCustomer {
    /// The request.
    pub fn request(&self) -> Request {
        Request::post(&["customers"], self.form())
    }

    fn form(&self) -> Form {
        Form::new()
            .set_some("email", self.email.as_ref())
            .set_some("name", self.name.as_ref())
            .set_some("phone", self.phone.as_ref())
            .set_some("description", self.description.as_ref())
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
        let automatic = Form::new().set("enabled", true).set_some("allow_redirects", redirects);
        Form::new()
            .set("amount", self.amount)
            .set("currency", self.currency.to_ascii_lowercase())
            .set_some("customer", self.customer.as_ref())
            .set_some("payment_method", self.payment_method.as_ref())
            .nest("automatic_payment_methods", automatic)
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
    /// A price for an existing product; Stripe takes no product name here.
    Inline {
        /// Minor units.
        unit_amount: i64,
        /// Code in any case.
        currency: String,
        /// `prod_…`
        product: String,
        /// How often it is charged.
        interval: Interval,
        /// Every so many intervals.
        interval_count: i64,
    },
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
            .map("metadata", &self.metadata)
    }
}

impl NewItem {
    fn form(&self) -> Form {
        let form = match &self.price {
            NewPrice::Existing(id) => Form::new().set("price", id),
            NewPrice::Inline { unit_amount, currency, product, interval, interval_count } => {
                let recurring =
                    Form::new().set("interval", interval.word()).set("interval_count", interval_count);
                let price = Form::new()
                    .set("currency", currency.to_ascii_lowercase())
                    .set("product", product)
                    .nest("recurring", recurring)
                    .set("unit_amount", unit_amount);
                Form::new().nest("price_data", price)
            }
        };
        form.set_some("quantity", self.quantity)
    }
}
