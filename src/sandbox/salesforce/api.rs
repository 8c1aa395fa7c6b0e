//! Which resource answers a request.

use super::collections;
use super::composite;
use super::describe;
use super::failure::Failure;
use super::limits;
use super::query;
use super::request::{Answer, Request};
use super::rows;
use super::transaction::Transaction;

/// Answers a request that came by itself.
pub(super) fn answer(tx: &mut Transaction<'_>, request: &Request<'_>) -> Answer {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let answered = match (request.method, path.as_slice()) {
        ("POST", ["composite"]) => composite::answer(tx, request),
        ("GET", []) => Ok(limits::resources(tx.version)),
        ("GET", ["limits"]) => Ok(limits::limits(tx)),
        ("GET", ["sobjects"]) => Ok(describe::all(tx)),
        ("GET", ["sobjects", object]) => describe::basic(tx, object),
        ("GET", ["sobjects", object, "describe"]) => describe::object(tx, object),
        (_, [] | ["composite"] | ["limits"] | ["sobjects", _, "describe"]) => {
            Err(not_allowed(request.method))
        }
        _ => return subrequest(tx, request),
    };
    answered.unwrap_or_else(Answer::from)
}

/// Answers a request that may also be part of a composite request: records, collections and queries.
pub(super) fn subrequest(tx: &mut Transaction<'_>, request: &Request<'_>) -> Answer {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let answered = match (request.method, path.as_slice()) {
        ("POST", ["composite", "sobjects"]) => collections::create(tx, request),
        ("PATCH", ["composite", "sobjects"]) => collections::update(tx, request),
        ("PATCH", ["composite", "sobjects", object, field]) => {
            collections::upsert(tx, request, object, field)
        }
        ("DELETE", ["composite", "sobjects"]) => collections::delete(tx, request),
        ("POST", ["sobjects", object]) => rows::create(tx, request, object),
        ("GET", ["sobjects", object, id]) => rows::get(tx, request, object, id),
        ("PATCH", ["sobjects", object, id]) => rows::update(tx, request, object, id),
        ("DELETE", ["sobjects", object, id]) => rows::delete(tx, object, id),
        ("GET", ["sobjects", object, field, value]) => {
            rows::get_by_external_id(tx, request, object, field, value)
        }
        ("PATCH", ["sobjects", object, field, value]) => rows::upsert(tx, request, object, field, value),
        ("DELETE", ["sobjects", object, field, value]) => {
            rows::delete_by_external_id(tx, object, field, value)
        }
        ("GET", ["query"]) => query::run(tx, request),
        ("GET", ["query", cursor]) => query::more(tx, cursor),
        (_, ["composite", "sobjects", ..] | ["sobjects", _, ..] | ["query", ..]) => {
            Err(not_allowed(request.method))
        }
        _ => Err(Failure::not_found("The requested resource does not exist")),
    };
    answered.unwrap_or_else(Answer::from)
}

fn not_allowed(method: &str) -> Failure {
    Failure::new("METHOD_NOT_ALLOWED", format!("HTTP Method '{method}' not allowed.")).status(405)
}
