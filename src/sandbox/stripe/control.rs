//! The control page for people: what there is, what was delivered, and which faults can be asked for.

use std::fmt::Write;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::confirm;
use super::fault::Fault;
use super::server::Shared;
use super::state::{State, text};

/// How many objects of a type, and how many events, the page shows.
const SHOWN: usize = 50;

/// Answers `/_sandbox…`.
pub(super) fn serve(request: &HttpRequest, body: &[u8], shared: &Shared) -> HttpResponse {
    let html = |page: String| HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page);
    match (request.method().as_str(), request.path().trim_end_matches('/')) {
        ("GET", "/_sandbox" | "") => html(page(&shared.state())),
        ("GET", "/_sandbox/faults") => HttpResponse::Ok().json(faults(shared)),
        ("POST", "/_sandbox/faults") => match ask(shared, body) {
            Ok(()) => HttpResponse::Ok().json(faults(shared)),
            Err(message) => HttpResponse::BadRequest().json(json!({ "error": message })),
        },
        ("POST", path) if path.ends_with("/authenticate") => {
            let id = path.trim_start_matches("/_sandbox/payment_intents/").trim_end_matches("/authenticate");
            let done = shared.by_itself(|state| confirm::authenticated(state, id, true));
            HttpResponse::Ok().json(json!({ "authenticated": done }))
        }
        ("GET", path) => match path
            .strip_prefix("/_sandbox/objects/")
            .and_then(|id| read(&shared.state(), id))
        {
            Some(object) => HttpResponse::Ok().content_type("application/json").body(format!("{object:#}\n")),
            None => HttpResponse::NotFound().json(json!({ "error": "there is nothing here" })),
        },
        _ => HttpResponse::NotFound().json(json!({ "error": "there is nothing here" })),
    }
}

fn faults(shared: &Shared) -> Value {
    let names: Vec<&str> = Fault::names().collect();
    let latency = u64::try_from(shared.faults.latency().as_millis()).unwrap_or(u64::MAX);
    json!({ "faults": names, "outage": shared.faults.outage(), "latencyMs": latency })
}

/// `{"fault":"rate_limited","count":2}`, `{"outage":true}` or `{"latencyMs":500}`
fn ask(shared: &Shared, body: &[u8]) -> Result<(), String> {
    let wish: Value = serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))?;
    let wish = wish.as_object().ok_or("expected an object")?;
    if let Some(unknown) =
        wish.keys().find(|key| !["fault", "count", "outage", "latencyMs"].contains(&key.as_str()))
    {
        return Err(format!("unknown key `{unknown}`"));
    }
    let fault = match wish.get("fault") {
        None => None,
        Some(name) => {
            let name = name.as_str().ok_or("`fault` must be a name")?;
            Some(name.parse::<Fault>().map_err(|error| error.to_string())?)
        }
    };
    let count = match wish.get("count") {
        None => 1,
        Some(count) => {
            let few =
                count.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= 1_000);
            few.ok_or("`count` must be a number up to 1000")?
        }
    };
    let outage =
        wish.get("outage").map(|on| on.as_bool().ok_or("`outage` must be true or false")).transpose()?;
    let latency =
        wish.get("latencyMs").map(|ms| ms.as_u64().ok_or("`latencyMs` must be a number")).transpose()?;
    if let Some(fault) = fault {
        shared.faults.fail_next(count, fault);
    }
    if let Some(on) = outage {
        shared.faults.set_outage(on);
    }
    if let Some(ms) = latency {
        shared.faults.set_latency(Duration::from_millis(ms));
    }
    Ok(())
}

fn read(state: &State, id: &str) -> Option<Value> {
    let event = || state.events.find(id).map(|event| event.value.clone());
    state.get(id).cloned().or_else(event)
}

fn page(state: &State) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Stripe stand-in</title><style>\
         body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}table{border-collapse:collapse}\
         td,th{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #ddd}code{font-size:.9em}\
         .no{color:#b00}</style><h1>Stripe stand-in</h1>\
         <p>Nothing here is real. Calls go to <code>/v1</code> with the sandbox key.</p><h2>Faults</h2><p>",
    );
    for name in Fault::names() {
        let _ = write!(
            page,
            "<button onclick=\"fetch('/_sandbox/faults',{{method:'POST',body:JSON.stringify({{fault:'{name}',count:1}})}}).then(()=>this.textContent='{name} (asked for)')\">{name}</button> "
        );
    }
    page.push_str("</p><p>Each button makes the next call fail. <code>POST /_sandbox/faults</code> also takes <code>count</code>, <code>outage</code> and <code>latencyMs</code>. \
         <code>POST /_sandbox/payment_intents/{id}/authenticate</code> confirms a payment that waits for the customer. \
         A checkout session or payment link is paid at its own <code>url</code>.</p>");
    page.push_str("<h2>Events</h2><table><tr><th>type<th>of<th>created<th>delivery</tr>");
    for event in state.events.iter().rev().take(SHOWN) {
        let of = text(&event.value["data"]["object"], "id");
        let delivery = match (event.accepted, event.last_status) {
            (true, _) => format!("accepted, {} attempts", event.attempts),
            (false, None) => "<span class=no>not tried yet</span>".to_owned(),
            (false, Some(0)) => format!("<span class=no>nobody answered, {} attempts</span>", event.attempts),
            (false, Some(status)) => format!("<span class=no>{status}, {} attempts</span>", event.attempts),
        };
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{delivery}</tr>",
            link(event.id(), text(&event.value, "type")),
            link(of, of),
            event.value["created"]
        );
    }
    page.push_str("</table><h2>Objects</h2>");
    for kind in state.kinds() {
        let _ = write!(page, "<h3>{} ({})</h3><table>", escaped(kind), state.all(kind).count());
        for object in state.all(kind).rev().take(SHOWN) {
            let id = text(object, "id");
            let about = [
                text(object, "status"),
                text(object, "email"),
                text(object, "name"),
                text(object, "description"),
            ];
            let about: Vec<&str> = about.into_iter().filter(|part| !part.is_empty()).collect();
            let amount =
                object["amount"].as_i64().map(|amount| format!("{amount} {}", text(object, "currency")));
            let _ = write!(
                page,
                "<tr><td>{}<td>{}<td>{}</tr>",
                link(id, id),
                escaped(&about.join(", ")),
                escaped(&amount.unwrap_or_default())
            );
        }
        page.push_str("</table>");
    }
    page
}

fn link(id: &str, label: &str) -> String {
    format!("<a href=\"/_sandbox/objects/{}\"><code>{}</code></a>", escaped(id), escaped(label))
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
