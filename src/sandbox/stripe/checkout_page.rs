//! The pages a customer sees: a checkout session to pay with a test card, and a payment link that opens one.

use std::fmt::Write;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use url::form_urlencoded;

use super::amounts;
use super::checkout::{self, Payer};
use super::control::escaped;
use super::payment_links;
use super::server::Shared;
use super::state::{State, int, text};

/// What the page offers.
const CARDS: &[(&str, &str)] = &[
    ("pm_card_visa", "Visa 4242, pays"),
    ("pm_card_mastercard", "Mastercard 4444, pays"),
    ("pm_card_authenticationRequired", "Visa 3184, asks the holder, who confirms"),
    ("pm_card_chargeDeclinedInsufficientFunds", "Visa 9995, declined: insufficient funds"),
    ("pm_card_chargeDeclined", "Visa 0002, declined"),
];

/// Answers `/pay/{session}` and `/link/{payment link}`.
pub(super) fn serve(request: &HttpRequest, body: &[u8], shared: &Shared) -> HttpResponse {
    let steps: Vec<&str> = request.path().trim_matches('/').split('/').collect();
    match (request.method().as_str(), steps.as_slice()) {
        ("GET", ["pay", id]) => html(200, &session_page(&shared.state(), id, "")),
        ("POST", ["pay", id]) => {
            let field = |name: &str| {
                let mut pairs = form_urlencoded::parse(body);
                let found = pairs.find(|(key, value)| key == name && !value.trim().is_empty());
                found.map(|(_, value)| value.into_owned())
            };
            let card = field("card").unwrap_or_default();
            let payer = Payer { card, email: field("email"), name: field("name") };
            let refused = paid(shared, id, &payer).err().unwrap_or_default();
            html(200, &session_page(&shared.state(), id, &refused))
        }
        ("GET", ["link", id]) => match open(shared, id) {
            Ok(session) => {
                let page = format!("/pay/{}", text(&session, "id"));
                HttpResponse::SeeOther().insert_header(("Location", page)).finish()
            }
            Err(refused) => html(404, &frame(&format!("<p class=no>{}</p>", escaped(&refused)))),
        },
        _ => html(404, &frame("<p class=no>There is nothing here.</p>")),
    }
}

/// A customer pays a session with a test card.
pub(super) fn pay(shared: &Shared, session: &str, card: &str) -> Result<Value, String> {
    let payer = Payer { card: card.to_owned(), email: Some("payer@example.com".to_owned()), name: None };
    paid(shared, session, &payer)
}

/// Someone opens a payment link.
pub(super) fn open(shared: &Shared, link: &str) -> Result<Value, String> {
    shared.by_itself(|state| payment_links::open(state, link)).map_err(|refusal| refusal.message())
}

fn paid(shared: &Shared, session: &str, payer: &Payer) -> Result<Value, String> {
    shared.by_itself(|state| {
        checkout::pay(state, session, payer).map_err(|refusal| {
            if !refusal.keeps_changes() {
                state.take_back();
            }
            refusal.message()
        })
    })
}

fn html(status: u16, page: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(page.to_owned())
}

fn session_page(state: &State, id: &str, refused: &str) -> String {
    let Ok(session) = state.find("checkout.session", id, "id") else {
        return frame("<p class=no>There is no such session.</p>");
    };
    let sale = state.sales.get(id).cloned().unwrap_or_default();
    let mut page = format!("<h1>{}</h1><table>", escaped(&amount(&session, "amount_total")));
    for line in &sale.lines {
        let _ = write!(
            page,
            "<tr><td>{} × {}<td>{}</tr>",
            int(line, "quantity"),
            escaped(text(line, "description")),
            escaped(&amount(line, "amount_total"))
        );
    }
    page.push_str("</table>");
    match text(&session, "status") {
        "open" => {
            if !refused.is_empty() {
                let _ = write!(page, "<p class=no>{}</p>", escaped(refused));
            }
            page.push_str("<form method=post><p><label>Card <select name=card>");
            for (card, label) in CARDS {
                let _ = write!(page, "<option value={card}>{label}");
            }
            page.push_str("</select></label>");
            if session["customer"].is_null() && session["customer_email"].is_null() {
                page.push_str(
                    "<p><label>E-mail <input name=email type=email value=payer@example.com></label>",
                );
            }
            page.push_str("<p><button>Pay</button></form>");
        }
        "complete" => {
            page.push_str("<p>Paid. Thank you.</p>");
            if let Some(url) = session["success_url"].as_str() {
                let url = escaped(&url.replace("{CHECKOUT_SESSION_ID}", id));
                let _ = write!(page, "<p>The customer goes on to <a href=\"{url}\">{url}</a>.</p>");
            }
        }
        _ => page.push_str("<p class=no>This session has expired.</p>"),
    }
    frame(&page)
}

fn amount(object: &Value, field: &str) -> String {
    let currency = text(object, "currency");
    format!("{} {}", amounts::written(int(object, field), currency), currency.to_uppercase())
}

fn frame(inner: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Checkout stand-in</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:32rem}}td{{padding-right:2rem}}\
         .no{{color:#b00}}button{{font:inherit;padding:.4rem 2rem}}</style>\
         <p><small>Stand-in for Stripe Checkout. No money moves.</small></p>{inner}"
    )
}
