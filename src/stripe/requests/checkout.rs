//! Pages on which a payer pays: checkout sessions and payment links.

use super::{CaptureMethod, Form, Metadata, NewItem, Request};

words! {
    /// What comes of it.
    CheckoutMode {
        /// One payment.
        Payment = "payment",
        /// A subscription.
        Subscription = "subscription",
    }
}

/// What both kinds of page sell, and what the payment or the subscription that comes of it begins with.
#[derive(Clone, Debug)]
pub struct Sale {
    /// What comes of it.
    pub mode: CheckoutMode,
    /// What is sold; each with a quantity.
    pub lines: Vec<NewItem>,
    /// Free text on the payment or subscription.
    pub description: Option<String>,
    /// When the money is taken; payments only.
    pub capture_method: Option<CaptureMethod>,
    /// Days before the first charge; subscriptions only.
    pub trial_period_days: Option<i64>,
    /// Whether the payer may enter a promotion code.
    pub allow_promotion_codes: bool,
    /// At most 50 keys; on the page's object, and on the payment or subscription as well.
    pub metadata: Metadata,
}

impl Sale {
    fn form(&self) -> Form {
        let data = Form::new().set_some("description", self.description.as_ref());
        let (name, data) = match self.mode {
            CheckoutMode::Payment => (
                "payment_intent_data",
                data.set_some("capture_method", self.capture_method.map(CaptureMethod::word)),
            ),
            CheckoutMode::Subscription => {
                ("subscription_data", data.set_some("trial_period_days", self.trial_period_days))
            }
        };
        Form::new()
            .list("line_items", self.lines.iter().map(NewItem::form))
            .set_some("allow_promotion_codes", self.allow_promotion_codes.then_some(true))
            .map("metadata", &self.metadata)
            // Metadata stays where it was written: events of the payment or subscription show only their own.
            .nest(name, data.map("metadata", &self.metadata))
    }
}

/// `POST /v1/checkout/sessions`
#[derive(Clone, Debug)]
pub struct CreateCheckoutSession {
    /// What is sold.
    pub sale: Sale,
    /// Where the payer goes after paying.
    pub success_url: String,
    /// Where the payer goes to turn back.
    pub cancel_url: Option<String>,
    /// `cus_…`
    pub customer: Option<String>,
    /// Instead of a customer: what to fill in on the page.
    pub customer_email: Option<String>,
    /// When the page closes, seconds since 1970; in a day if absent.
    pub expires_at: Option<i64>,
    /// The caller's own name of the sale.
    pub client_reference_id: Option<String>,
    /// Ways of paying to offer; those of the account's settings if empty.
    pub allowed_types: Vec<String>,
    /// Ways of paying not to offer.
    pub excluded_types: Vec<String>,
}

impl CreateCheckoutSession {
    /// The request.
    pub fn request(&self) -> Request {
        let form = self
            .sale
            .form()
            .set("mode", self.sale.mode.word())
            .set("success_url", &self.success_url)
            .set_some("cancel_url", self.cancel_url.as_ref())
            .set_some("customer", self.customer.as_ref())
            .set_some("customer_email", self.customer_email.as_ref())
            .set_some("expires_at", self.expires_at)
            .set_some("client_reference_id", self.client_reference_id.as_ref())
            .words("allowed_payment_method_types", &self.allowed_types)
            .words("excluded_payment_method_types", &self.excluded_types);
        Request::post(&["checkout", "sessions"], form)
    }
}

/// `POST /v1/payment_links`
#[derive(Clone, Debug)]
pub struct CreatePaymentLink {
    /// What is sold.
    pub sale: Sale,
    /// Where the payer goes after paying; a page of Stripe's without it.
    pub redirect_url: Option<String>,
    /// What Stripe's page says after paying.
    pub confirmation_message: Option<String>,
    /// After so many payments the link is closed.
    pub most_payments: Option<i64>,
    /// Ways of paying to offer, like `card`; those of the account's settings if empty.
    pub payment_method_types: Vec<String>,
}

impl CreatePaymentLink {
    /// The request.
    pub fn request(&self) -> Request {
        let after = match (&self.redirect_url, &self.confirmation_message) {
            (Some(url), _) => {
                Form::new().set("type", "redirect").nest("redirect", Form::new().set("url", url))
            }
            (None, Some(message)) => Form::new()
                .set("type", "hosted_confirmation")
                .nest("hosted_confirmation", Form::new().set("custom_message", message)),
            (None, None) => Form::new(),
        };
        let form = self
            .sale
            .form()
            .nest("after_completion", after)
            .set_some("restrictions[completed_sessions][limit]", self.most_payments)
            .words("payment_method_types", &self.payment_method_types);
        Request::post(&["payment_links"], form)
    }
}
