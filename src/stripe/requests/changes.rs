//! What happens to objects that exist.

use super::{Form, Metadata, NewPrice, Request};

words! {
    /// What a change in the middle of a period means for its price.
    Proration {
        /// The difference comes with the next invoice.
        CreateProrations = "create_prorations",
        /// The difference is billed at once.
        AlwaysInvoice = "always_invoice",
        /// Nothing is made up.
        None = "none",
    }
}

words! {
    /// What becomes of a subscription that rests.
    Pause {
        /// It is paused as a whole: no periods, no invoices.
        Subscription = "subscription",
        /// Invoices stay drafts.
        KeepAsDraft = "keep_as_draft",
        /// Invoices are made and given up.
        MarkUncollectible = "mark_uncollectible",
        /// Invoices are made and voided.
        Void = "void",
    }
}

/// `POST /v1/payment_intents/{id}/confirm`
#[derive(Clone, Debug, Default)]
pub struct ConfirmPaymentIntent {
    /// `pm_…`
    pub payment_method: Option<String>,
    /// Where the payer returns to after a redirect.
    pub return_url: Option<String>,
    /// Whether the payer is absent and cannot authenticate.
    pub off_session: bool,
}

impl ConfirmPaymentIntent {
    /// The request.
    pub fn request(&self, id: &str) -> Request {
        let form = Form::new()
            .set_some("payment_method", self.payment_method.as_ref())
            .set_some("return_url", self.return_url.as_ref())
            .set_some("off_session", self.off_session.then_some(true));
        Request::post(&["payment_intents", id, "confirm"], form)
    }
}

/// Takes what is authorised, or so many minor units of it; the rest goes back to the payer.
pub fn capture_payment_intent(id: &str, amount: Option<i64>) -> Request {
    let form = Form::new().set_some("amount_to_capture", amount);
    Request::post(&["payment_intents", id, "capture"], form)
}

/// Gives a payment up; an authorisation is released.
pub fn cancel_payment_intent(id: &str, reason: Option<&str>) -> Request {
    Request::post(&["payment_intents", id, "cancel"], Form::new().set_some("cancellation_reason", reason))
}

/// `POST /v1/refunds`
#[derive(Clone, Debug)]
pub struct CreateRefund {
    /// `pi_…`
    pub payment_intent: Option<String>,
    /// `ch_…` or `py_…`
    pub charge: Option<String>,
    /// Minor units; everything that is left if absent.
    pub amount: Option<i64>,
    /// `duplicate`, `fraudulent` or `requested_by_customer`.
    pub reason: Option<&'static str>,
    /// At most 50 keys.
    pub metadata: Metadata,
}

impl CreateRefund {
    /// The request.
    pub fn request(&self) -> Request {
        let form = Form::new()
            .set_some("payment_intent", self.payment_intent.as_ref())
            .set_some("charge", self.charge.as_ref())
            .set_some("amount", self.amount)
            .set_some("reason", self.reason)
            .map("metadata", &self.metadata);
        Request::post(&["refunds"], form)
    }
}

/// Closes a page; it cannot be paid any more.
pub fn expire_checkout_session(id: &str) -> Request {
    Request::post(&["checkout", "sessions", id, "expire"], Form::new())
}

/// Closes a link.
pub fn deactivate_payment_link(id: &str, message: Option<&str>) -> Request {
    Request::post(
        &["payment_links", id],
        Form::new().set("active", false).set_some("inactive_message", message),
    )
}

/// Makes a draft an invoice.
pub fn finalize_invoice(id: &str) -> Request {
    Request::post(&["invoices", id, "finalize"], Form::new())
}

/// Mails an invoice; a draft becomes one first.
pub fn send_invoice(id: &str) -> Request {
    Request::post(&["invoices", id, "send"], Form::new())
}

/// Declares that an invoice never was.
pub fn void_invoice(id: &str) -> Request {
    Request::post(&["invoices", id, "void"], Form::new())
}

/// `POST /v1/invoices/{id}/pay`
#[derive(Clone, Debug, Default)]
pub struct PayInvoice {
    /// `pm_…`; the usual one if absent.
    pub payment_method: Option<String>,
    /// Whether it was paid elsewhere: nothing is charged.
    pub paid_out_of_band: bool,
}

impl PayInvoice {
    /// The request.
    pub fn request(&self, id: &str) -> Request {
        let form = Form::new()
            .set_some("payment_method", self.payment_method.as_ref())
            .set_some("paid_out_of_band", self.paid_out_of_band.then_some(true));
        Request::post(&["invoices", id, "pay"], form)
    }
}

/// `POST /v1/subscriptions/{id}` with other items
#[derive(Clone, Debug)]
pub struct ChangeItems {
    /// What changes; items that are not named stay.
    pub items: Vec<ChangeItem>,
    /// What the change means for the period that is running.
    pub proration: Proration,
}

/// A change of one item.
#[derive(Clone, Debug)]
pub struct ChangeItem {
    /// `si_…`; a new item without it.
    pub id: Option<String>,
    /// The price, if it is another one.
    pub price: Option<NewPrice>,
    /// How many, if it changes.
    pub quantity: Option<i64>,
    /// Whether the item goes.
    pub remove: bool,
}

impl ChangeItems {
    /// The request.
    pub fn request(&self, id: &str) -> Request {
        let form = Form::new()
            .list("items", self.items.iter().map(ChangeItem::form))
            .set("proration_behavior", self.proration.word());
        Request::post(&["subscriptions", id], form)
    }
}

impl ChangeItem {
    fn form(&self) -> Form {
        self.price
            .as_ref()
            .map(NewPrice::form)
            .unwrap_or_default()
            .set_some("id", self.id.as_ref())
            .set_some("quantity", self.quantity)
            .set_some("deleted", self.remove.then_some(true))
    }
}

/// Lets a subscription rest, until `resumes_at` (seconds since 1970) if only its collection does.
pub fn pause_subscription(id: &str, pause: Pause, resumes_at: Option<i64>) -> Request {
    if pause == Pause::Subscription {
        return Request::post(&["subscriptions", id, "pause"], Form::new().set("type", pause.word()));
    }
    let collection = Form::new().set("behavior", pause.word()).set_some("resumes_at", resumes_at);
    Request::post(&["subscriptions", id], Form::new().nest("pause_collection", collection))
}

/// Ends the rest of a subscription that is paused as a whole; a new period begins, or the old one goes on.
pub fn resume_subscription(id: &str, new_period: bool, proration: Proration) -> Request {
    let anchor = if new_period { "now" } else { "unchanged" };
    let form =
        Form::new().set("billing_cycle_anchor[type]", anchor).set("proration_behavior", proration.word());
    Request::post(&["subscriptions", id, "resume"], form)
}

/// Collects the invoices of a subscription again.
pub fn resume_collection(id: &str) -> Request {
    Request::post(&["subscriptions", id], Form::new().set("pause_collection", ""))
}

/// Ends a subscription with the period that is running, or takes that back.
pub fn cancel_at_period_end(id: &str, cancel: bool, comment: Option<&str>) -> Request {
    let form =
        Form::new().set("cancel_at_period_end", cancel).set_some("cancellation_details[comment]", comment);
    Request::post(&["subscriptions", id], form)
}

/// Ends a subscription at once; `invoice_now` bills what is open, `prorate` gives back what was paid too much.
pub fn cancel_subscription(id: &str, invoice_now: bool, prorate: bool, comment: Option<&str>) -> Request {
    let form = Form::new()
        .set_some("invoice_now", invoice_now.then_some(true))
        .set_some("prorate", prorate.then_some(true))
        .set_some("cancellation_details[comment]", comment);
    Request::delete(&["subscriptions", id], form)
}

/// Ends a schedule and its subscription.
pub fn cancel_schedule(id: &str) -> Request {
    Request::post(&["subscription_schedules", id, "cancel"], Form::new())
}

/// Ends a schedule; its subscription goes on.
pub fn release_schedule(id: &str) -> Request {
    Request::post(&["subscription_schedules", id, "release"], Form::new())
}
