//! What Salesforce calls: the REST API, its OpenAPI document and its documentation pages.
//!
//! Handlers read a request, make one call to Stripe and say what became of it. Nothing here may write to Salesforce or wait
//! for it.

mod action;
mod amounts;
mod answer;
mod ask;
mod auth;
mod bulk;
mod checkout_sessions;
#[cfg(test)]
mod contract;
mod customers;
mod fields;
mod health;
mod idempotency;
mod invoices;
mod items;
mod links;
mod metadata;
mod moments;
mod oauth;
mod openapi;
mod operations;
mod pace;
mod payment_intents;
mod payment_links;
mod pipeline;
mod prices;
mod problem;
mod products;
mod reading;
mod refunds;
mod request;
mod resolve;
mod sales;
mod stripe_fields;
mod subscription_schedules;
mod subscriptions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::middleware::from_fn;
use actix_web::{HttpMessage, HttpRequest, web};
use utoipa::OpenApi;

use action::Resource;
pub use answer::{RequestId, answer};
pub use auth::authenticate;
pub(crate) use fields::Fields;
use openapi::Security;
pub use openapi::document;
pub use pipeline::Pipeline;
pub use problem::{Body as ProblemBody, Code, FieldProblem, Problem};
pub(crate) use request::JsonBody;
pub use resolve::Resolver;

use crate::auth::Auth;
pub use crate::auth::{Caller, Scope, issue, issue_known};
use crate::clock::Clock;
use crate::ops;
use crate::store::Store;
use crate::stripe;

/// Everything the API needs; one for the whole process.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// Creations and changes, and the Stripe accounts.
    pub pipeline: Arc<Pipeline>,
    /// The org of each account, by their names in the configuration.
    pub orgs: BTreeMap<String, String>,
    /// Who may call.
    pub auth: Arc<Auth>,
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Whether the parts behind the API run; `/readyz` says no while it is false. Set it before stopping.
    pub ready: Arc<AtomicBool>,
}

impl ApiState {
    /// The account that the header `X-Paybridge-Account` names. Without one: the account that the caller is bound to, or
    /// `main`.
    fn account(&self, request: &HttpRequest) -> Result<&pipeline::Account, Problem> {
        let header =
            request.headers().get("x-paybridge-account").map(|name| name.to_str().unwrap_or_default());
        let extensions = request.extensions();
        let caller = extensions.get::<Caller>();
        let accounts = &self.pipeline.accounts;
        let allowed: Vec<&str> =
            accounts.keys().map(String::as_str).filter(|name| self.is_for(caller, name)).collect();
        let own = if let [only] = allowed.as_slice() { only } else { "main" };
        let name = header.unwrap_or(own);
        if accounts.contains_key(name) && !self.is_for(caller, name) {
            let detail = format!("`{name}` is not one of {}", allowed.join(", "));
            return Err(Problem::new(Code::AccountNotAllowed, detail));
        }
        accounts.get(name).ok_or_else(|| {
            let detail = format!("`{}` is not one of {}", fields::excerpt(name), allowed.join(", "));
            Problem::new(Code::UnknownAccount, detail)
        })
    }

    /// The client of that account.
    fn client(&self, request: &HttpRequest) -> Result<&stripe::Client, Problem> {
        self.account(request).map(|account| &account.client)
    }

    /// Whether a caller may use an account.
    fn is_for(&self, caller: Option<&Caller>, account: &str) -> bool {
        let Some(caller) = caller else { return true };
        let org = self.orgs.get(account);
        caller.account.as_deref().is_none_or(|bound| bound == account)
            && caller.org.as_ref().is_none_or(|bound| Some(bound) == org)
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "paybridge",
        description = "Stripe for Salesforce: create customers, payments and subscriptions, and read how they stand. Amounts \
            are exact: decimal text in major units (or a JSON number), or whole minor units. Every creation takes an \
            idempotencyKey; a repeated call gets the first answer again. Errors have one shape with a stable code.",
        license(name = "MIT OR Apache-2.0"),
    ),
    // In the order in which somebody who begins needs them.
    tags(
        (name = "customers", description = "Who pays: one Stripe customer for each Salesforce record."),
        (name = "payments", description = "Payment intents: one payment each, from creation to capture or cancellation."),
        (name = "checkout", description = "Pages of Stripe's where a customer pays: checkout sessions and payment links."),
        (name = "refunds", description = "Money that goes back, all of it or a part."),
        (name = "subscriptions", description = "Payments that repeat, and schedules of several terms."),
        (name = "invoices", description = "What a customer owes, sent by Stripe."),
        (name = "catalog", description = "Products and their prices, from Product2 and PricebookEntry."),
        (name = "operations", description = "For those who look after it: calls that take longer, what waits, what was given up, and why a record looks as it does."),
    ),
    modifiers(&Security),
)]
struct Contract;

/// What callers can create, change and read. A new resource is a file of its own and a line here; see `action.rs`.
const RESOURCES: [Resource; 11] = [
    customers::RESOURCE,
    payment_intents::RESOURCE,
    refunds::RESOURCE,
    checkout_sessions::RESOURCE,
    payment_links::RESOURCE,
    subscriptions::RESOURCE,
    subscription_schedules::RESOURCE,
    invoices::RESOURCE,
    products::RESOURCE,
    prices::RESOURCE,
    operations::RESOURCE,
];

/// The contract with the paths of all resources, and of the operators' side.
fn contract_document() -> utoipa::openapi::OpenApi {
    let mut document = Contract::openapi();
    for resource in RESOURCES {
        document.merge((resource.paths)());
    }
    document.merge(ops::paths());
    document
}

/// The routes: one for each path of the contract above, which a test holds together, and those for people and operators.
///
/// The application has to be wrapped in [`answer`], which gives request ids and turns faults into problems.
pub fn routes(state: ApiState) -> impl FnOnce(&mut web::ServiceConfig) {
    move |app| {
        app.app_data(web::Data::new(state))
            .service(
                web::scope("/v1")
                    .app_data(web::PayloadConfig::new(request::BODY_LIMIT))
                    .wrap(from_fn(authenticate))
                    .wrap(from_fn(answer::in_time))
                    .configure(|scope| {
                        for resource in RESOURCES {
                            (resource.routes)(scope);
                        }
                        ops::routes(scope);
                    }),
            )
            .configure(oauth::routes)
            .configure(health::routes)
            .configure(openapi::routes);
    }
}
