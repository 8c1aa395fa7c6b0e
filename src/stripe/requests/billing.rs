//! Invoices made by hand, and subscriptions of several terms.

use super::{CollectionMethod, Form, Interval, MADE, Metadata, NewItem, Request};

words! {
    /// What becomes of a subscription after its last term.
    ScheduleEnd {
        /// It goes on as it was.
        Release = "release",
        /// It ends.
        Cancel = "cancel",
    }
}

/// `POST /v1/invoices`, and what makes it whole: a draft, its lines and, if asked for, its end as a draft.
#[derive(Clone, Debug)]
pub struct CreateInvoice {
    /// `cus_…`
    pub customer: String,
    /// Code in any case.
    pub currency: String,
    /// 1 to 100.
    pub lines: Vec<InvoiceLine>,
    /// How it is paid.
    pub collection_method: CollectionMethod,
    /// Days to pay; required with [`CollectionMethod::SendInvoice`], forbidden otherwise.
    pub days_until_due: Option<i64>,
    /// `pm_…`
    pub default_payment_method: Option<String>,
    /// Free text on the invoice.
    pub description: Option<String>,
    /// Free text below it.
    pub footer: Option<String>,
    /// Whether Stripe goes on by itself: finalises the draft after an hour, sends it or charges.
    pub auto_advance: bool,
    /// Whether the draft becomes an invoice at once.
    pub finalize: bool,
    /// At most 50 keys.
    pub metadata: Metadata,
}

/// One line of an invoice.
#[derive(Clone, Debug)]
pub enum InvoiceLine {
    /// A price that exists and does not recur.
    Priced {
        /// `price_…`
        price: String,
        /// How many.
        quantity: i64,
        /// Instead of the product's name.
        description: Option<String>,
    },
    /// An amount with a text.
    Amount {
        /// Minor units; negative for a rebate.
        amount: i64,
        /// What it is for.
        description: String,
    },
}

impl InvoiceLine {
    fn form(&self) -> Form {
        match self {
            Self::Priced { price, quantity, description } => Form::new()
                .nest("pricing", Form::new().set("price", price))
                .set("quantity", quantity)
                .set_some("description", description.as_ref()),
            Self::Amount { amount, description } => {
                Form::new().set("amount", amount).set("description", description)
            }
        }
    }
}

impl CreateInvoice {
    /// The requests.
    pub fn request(&self) -> Request {
        let draft = Form::new()
            .set("customer", &self.customer)
            .set("currency", self.currency.to_ascii_lowercase())
            .set("collection_method", self.collection_method.word())
            .set_some("days_until_due", self.days_until_due)
            .set_some("default_payment_method", self.default_payment_method.as_ref())
            .set_some("description", self.description.as_ref())
            .set_some("footer", self.footer.as_ref())
            .set("auto_advance", self.auto_advance)
            .set("pending_invoice_items_behavior", "exclude")
            .map("metadata", &self.metadata);
        let lines = Form::new().list("lines", self.lines.iter().map(InvoiceLine::form));
        let request =
            Request::post(&["invoices"], draft).then(Request::post(&["invoices", MADE, "add_lines"], lines));
        if !self.finalize {
            return request;
        }
        let advance = Form::new().set("auto_advance", self.auto_advance);
        request.then(Request::post(&["invoices", MADE, "finalize"], advance))
    }
}

/// `POST /v1/subscription_schedules`
#[derive(Clone, Debug)]
pub struct CreateSchedule {
    /// `cus_…`
    pub customer: String,
    /// When the first term begins, seconds since 1970; now if absent.
    pub start: Option<i64>,
    /// One after the other.
    pub terms: Vec<Term>,
    /// What comes after the last.
    pub end: ScheduleEnd,
    /// How the invoices are paid.
    pub collection_method: CollectionMethod,
    /// Days to pay an invoice; required with [`CollectionMethod::SendInvoice`], forbidden otherwise.
    pub days_until_due: Option<i64>,
    /// `pm_…`
    pub default_payment_method: Option<String>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

/// One term of a schedule.
#[derive(Clone, Debug)]
pub struct Term {
    /// 1 to 20; prices recur.
    pub items: Vec<NewItem>,
    /// So many intervals,
    pub interval_count: i64,
    /// of this length.
    pub interval: Interval,
}

impl CreateSchedule {
    /// The request.
    pub fn request(&self) -> Request {
        let invoices = Form::new().set_some("days_until_due", self.days_until_due);
        let settings = Form::new()
            .set("collection_method", self.collection_method.word())
            .set_some("default_payment_method", self.default_payment_method.as_ref())
            .nest("invoice_settings", invoices);
        let start = self.start.map_or_else(|| "now".to_owned(), |start| start.to_string());
        let form = Form::new()
            .set("customer", &self.customer)
            .set("start_date", start)
            .set("end_behavior", self.end.word())
            .nest("default_settings", settings)
            .list("phases", self.terms.iter().map(|term| self.phase(term)))
            .map("metadata", &self.metadata);
        Request::post(&["subscription_schedules"], form)
    }

    fn phase(&self, term: &Term) -> Form {
        let duration =
            Form::new().set("interval", term.interval.word()).set("interval_count", term.interval_count);
        Form::new()
            .list("items", term.items.iter().map(NewItem::form))
            .nest("duration", duration)
            // The subscription takes over the metadata of its term, not that of the schedule.
            .map("metadata", &self.metadata)
    }
}
