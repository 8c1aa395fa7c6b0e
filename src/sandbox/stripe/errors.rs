//! Why a call was refused, in the shape in which Stripe says it.

use serde_json::{Map, Value, json};

/// What an operation answers: an object, or a refusal.
pub(super) type Answer = Result<Value, Refusal>;

/// One refusal: status, error body and what it means for state and idempotency key.
#[derive(Debug, Clone)]
pub(super) struct Refusal(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: u16,
    error: Map<String, Value>,
    headers: Vec<(&'static str, &'static str)>,
    /// The endpoint had begun its work: the answer is kept under the idempotency key.
    executed: bool,
    /// What the work changed stays (a declined charge exists), instead of being taken back.
    keeps_changes: bool,
}

impl Refusal {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut error = Map::new();
        error.insert("type".to_owned(), json!(kind));
        error.insert("message".to_owned(), json!(message.into()));
        Self(Box::new(Details { status, error, headers: Vec::new(), executed: false, keeps_changes: false }))
    }

    /// 400: the parameters are wrong; nothing was executed.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400: the object is in a state that does not allow this; the answer is kept under the key.
    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        let mut refusal = Self::invalid(message).code(code);
        refusal.0.executed = true;
        refusal
    }

    /// 402: the card was refused; what the attempt left behind stays.
    pub(super) fn card(message: &str) -> Self {
        let mut refusal = Self::new(402, "card_error", message);
        refusal.0.executed = true;
        refusal.0.keeps_changes = true;
        refusal
    }

    /// 400: a parameter that this operation does not have.
    pub(super) fn unknown_param(name: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {name}")).code("parameter_unknown").param(name)
    }

    /// 400: a parameter without which nothing goes.
    pub(super) fn missing_param(name: &str) -> Self {
        Self::invalid(format!("Missing required param: {name}.")).code("parameter_missing").param(name)
    }

    /// 404: no such object; `param` is `id` for one in the path.
    pub(super) fn no_such(what: &str, id: &str, param: &str) -> Self {
        let what = what.replace('_', "");
        let what = if what == "paymentmethod" { "PaymentMethod".to_owned() } else { what };
        Self::new(404, "invalid_request_error", format!("No such {what}: '{id}'"))
            .code("resource_missing")
            .param(param)
    }

    /// 404: no such path.
    pub(super) fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        );
        Self::new(404, "invalid_request_error", message)
    }

    /// 401: no key, or another one.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// 403: the key may not do this.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "invalid_request_error", message)
    }

    /// 400: the key was used before, with other parameters.
    pub(super) fn key_reused(key: &str) -> Self {
        Self::new(
            400,
            "idempotency_error",
            format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            ),
        )
    }

    /// 409: the call that uses this key is still running.
    pub(super) fn key_in_use(key: &str) -> Self {
        Self::new(
            409,
            "idempotency_error",
            format!(
                "There is currently another in-progress request using this Idempotency Key (that probably means you submitted twice, and the other request is still going through): {key}. Please try again later."
            ),
        )
        .code("idempotency_key_in_use")
        .header("Stripe-Should-Retry", "true")
    }

    /// 429: too many calls.
    pub(super) fn rate_limited() -> Self {
        Self::new(429, "invalid_request_error", "Request rate limit exceeded.")
            .code("rate_limit")
            .header("Stripe-Rate-Limited-Reason", "endpoint-rate")
    }

    /// 429: another call holds the object.
    pub(super) fn lock_timeout() -> Self {
        Self::new(
            429,
            "invalid_request_error",
            "This object cannot be accessed right now because another API request or Stripe process is currently accessing it. If you see this error intermittently, retry the request. If you see this error frequently and are making multiple concurrent requests to a single object, make your requests serially or at a lower rate.",
        )
        .code("lock_timeout")
        .header("Stripe-Should-Retry", "true")
    }

    /// 500, which is kept under the idempotency key like any executed answer.
    pub(super) fn server_error() -> Self {
        let mut refusal =
            Self::new(500, "api_error", "An unknown error occurred").header("Stripe-Should-Retry", "false");
        refusal.0.executed = true;
        refusal
    }

    /// 503: nobody is there.
    pub(super) fn unavailable() -> Self {
        Self::new(503, "api_error", "Service temporarily unavailable").header("Stripe-Should-Retry", "true")
    }

    pub(super) fn code(mut self, code: &str) -> Self {
        self.0.error.insert("code".to_owned(), json!(code));
        let page = format!("https://docs.stripe.com/error-codes/{}", code.replace('_', "-"));
        self.0.error.insert("doc_url".to_owned(), json!(page));
        self
    }

    pub(super) fn param(self, name: &str) -> Self {
        self.with("param", json!(name))
    }

    /// Adds a further field to the error body.
    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        self.0.error.insert(field.to_owned(), value);
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The same refusal, but everything that was changed is taken back.
    pub(super) fn taking_back(mut self) -> Self {
        self.0.keeps_changes = false;
        self
    }

    pub(super) fn status(&self) -> u16 {
        self.0.status
    }

    pub(super) fn executed(&self) -> bool {
        self.0.executed
    }

    pub(super) fn keeps_changes(&self) -> bool {
        self.0.keeps_changes
    }

    pub(super) fn headers(&self) -> &[(&'static str, &'static str)] {
        &self.0.headers
    }

    /// What it says to people.
    pub(super) fn message(&self) -> String {
        self.0.error["message"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn body(&self) -> Value {
        json!({ "error": self.0.error })
    }
}
