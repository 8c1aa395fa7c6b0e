//! What people see of the org: a page with its records, and a few JSON addresses to look and to break things.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::fault::Fault;
use super::handle::Record;
use super::ids::RecordId;
use super::json;
use super::org::Org;
use super::records::Row;
use super::schema::{Kind, Object};

/// Where the page and its JSON are found.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(show))
        .route("/_sandbox/records/{sobject}", web::get().to(records))
        .route("/_sandbox/faults", web::get().to(faults))
        .route("/_sandbox/faults", web::post().to(break_something));
}

/// So many of an object's newest records are shown.
const SHOWN: usize = 50;

/// What may be asked for; each member is optional.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    fault: Option<String>,
    count: Option<usize>,
    outage: Option<bool>,
    latency_ms: Option<u64>,
    #[serde(default)]
    expire_sessions: bool,
}

async fn show(org: web::Data<Org>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(render(&org))
}

async fn records(org: web::Data<Org>, sobject: web::Path<String>) -> HttpResponse {
    let Some(at) = org.schema.position(&sobject) else {
        return problem(404, &format!("the org has no object {sobject}"));
    };
    let newest = newest(&org, at, usize::MAX);
    json_response(200, &newest.iter().map(|record| &record.fields).collect::<Vec<_>>())
}

async fn faults() -> HttpResponse {
    json_response(200, &BTreeMap::from([("faults", Fault::ALL.map(Fault::name))]))
}

async fn break_something(org: web::Data<Org>, body: web::Bytes) -> HttpResponse {
    let wish: Wish = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) => return problem(400, &error.to_string()),
    };
    if let Some(name) = &wish.fault {
        let fault: Fault = match name.parse() {
            Ok(fault) => fault,
            Err(message) => return problem(400, &message),
        };
        let faults = if fault.concerns_sign_in() { &org.sign_in_faults } else { &org.faults };
        faults.fail_next(wish.count.unwrap_or(1), fault);
    }
    if let Some(on) = wish.outage {
        org.faults.set_outage(on);
    }
    if let Some(milliseconds) = wish.latency_ms {
        org.faults.set_latency(Duration::from_millis(milliseconds));
    }
    if wish.expire_sessions {
        org.state().sessions.end();
    }
    HttpResponse::NoContent().finish()
}

fn newest(org: &Org, at: usize, limit: usize) -> Vec<Record> {
    let object = &org.schema.objects()[at];
    let state = org.state();
    let mut rows: Vec<_> = state.records.table(at).rows().collect();
    let newest_first = |(_, row): &(RecordId, &Row)| std::cmp::Reverse(row.change);
    if rows.len() > limit {
        rows.select_nth_unstable_by_key(limit, newest_first);
        rows.truncate(limit);
    }
    rows.sort_unstable_by_key(newest_first);
    rows.into_iter().map(|(id, row)| Record::shown(object, id, row)).collect()
}

fn render(org: &Org) -> String {
    let (used, limit, total) = {
        let state = org.state();
        let total: usize = (0..org.schema.objects().len()).map(|at| state.records.table(at).len()).sum();
        (state.used(org.now()), state.daily_limit, total)
    };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Salesforce stand-in</title>\
         <style>{STYLE}</style></head><body><header><h1>Salesforce stand-in</h1><p>{total} records · \
         {used} of {limit} API calls used · API {}</p></header>",
        escaped(&org.options.api_version)
    );
    let mut empty = Vec::new();
    for (at, object) in org.schema.objects().iter().enumerate() {
        let count = org.state().records.table(at).len();
        if count == 0 {
            empty.push(escaped(&object.label_plural));
            continue;
        }
        table(&mut page, object, count, &newest(org, at, SHOWN));
    }
    if !empty.is_empty() {
        page.push_str(&format!("<p class=\"empty\">No records yet: {}</p>", empty.join(", ")));
    }
    page.push_str("</body></html>");
    page
}

fn table(page: &mut String, object: &Object, count: usize, records: &[Record]) {
    let hidden = ["Id", "IsDeleted", "CreatedDate", "SystemModstamp"];
    let is_shown =
        |name: &str| !hidden.contains(&name) && records.iter().any(|record| record.fields.contains_key(name));
    // Names and keys first, as in the platform's own lists; then the status, which people come for.
    let mut fields: Vec<_> = object.fields.iter().filter(|field| is_shown(&field.name)).collect();
    fields.sort_by_key(|field| {
        (
            *field.name != *"Name",
            !field.external_id,
            *field.name != *"Status__c",
            *field.name == *"LastModifiedDate",
        )
    });
    let _ = write!(
        page,
        "<section><h2>{} <small>{count}</small></h2><div><table><tr>",
        escaped(&object.label_plural)
    );
    for field in &fields {
        let _ = write!(page, "<th title=\"{}\">{}</th>", escaped(&field.name), escaped(&field.label));
    }
    page.push_str("</tr>");
    for record in records {
        let _ = write!(page, "<tr title=\"{}\">", escaped(&record.id));
        for field in &fields {
            let class = if matches!(field.kind, Kind::Number { .. }) { " class=\"number\"" } else { "" };
            let _ = write!(page, "<td{class}>{}</td>", escaped(record.text(&field.name).unwrap_or_default()));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div></section>");
}

fn json_response<T: serde::Serialize + ?Sized>(status: u16, body: &T) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status).content_type("application/json").body(json::of(body).get().to_owned())
}

fn problem(status: u16, message: &str) -> HttpResponse {
    json_response(status, &BTreeMap::from([("message", message)]))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

const STYLE: &str = "\
    :root{color-scheme:light dark}body{font:14px/1.4 system-ui,sans-serif;margin:0 auto;max-width:1200px;padding:1rem}\
    header{display:flex;gap:1rem;align-items:baseline;flex-wrap:wrap}h1{font-size:1.3rem;margin:0}\
    h2{font-size:1rem;margin:1.5rem 0 .3rem}small{opacity:.6;font-weight:400}section div{overflow-x:auto}\
    table{border-collapse:collapse;white-space:nowrap}th,td{padding:.25rem .7rem;text-align:left;\
    border-bottom:1px solid #8884;max-width:24rem;overflow:hidden;text-overflow:ellipsis}\
    th{font-weight:600;background:#8881}.number{text-align:right;font-variant-numeric:tabular-nums}.empty{opacity:.7}";
