//! Lists: newest first, a page at a time, by cursor.

use serde_json::{Value, json};

use super::errors::{Answer, Refusal};
use super::form::{Form, Kind, Rule};
use super::state::{int, text};

/// Parameters of every list.
pub(super) const LIST: &[Rule] =
    &[("limit", Kind::Int), ("starting_after", Kind::Word), ("ending_before", Kind::Word)];

/// Parameters of a list that can be cut by time of creation.
pub(super) const CREATED: &[Rule] = &[
    ("created", Kind::Time),
    ("created[gt]", Kind::Time),
    ("created[gte]", Kind::Time),
    ("created[lt]", Kind::Time),
    ("created[lte]", Kind::Time),
];

/// One page of objects that come newest first. `ending_before` gives the page just before that object,
/// still newest first.
pub(super) fn page<'a>(
    kind: &str,
    url: &str,
    newest_first: impl Iterator<Item = &'a Value>,
    form: &Form,
) -> Answer {
    let limit = form.int("limit").unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
        let message = "Invalid limit: must be between 1 and 100";
        Refusal::invalid(message).code("parameter_invalid_integer").param("limit")
    })?;
    let all: Vec<&Value> = newest_first.filter(|object| created_as_asked(object, form)).collect();
    let place = |cursor: &str, param: &str| {
        let found = all.iter().position(|object| text(object, "id") == cursor);
        found.ok_or_else(|| Refusal::no_such(kind, cursor, param))
    };
    let (data, has_more) = match (form.word("starting_after"), form.word("ending_before")) {
        (Some(_), Some(_)) => {
            let message = "Only one of starting_after and ending_before may be given.";
            return Err(Refusal::invalid(message).param("ending_before"));
        }
        (None, None) => first(&all, limit),
        (Some(cursor), None) => {
            first(all.get(place(cursor, "starting_after")? + 1..).unwrap_or_default(), limit)
        }
        (None, Some(cursor)) => {
            let before = all.get(..place(cursor, "ending_before")?).unwrap_or_default();
            (&before[before.len().saturating_sub(limit)..], before.len() > limit)
        }
    };
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

fn first<'a, 'b>(objects: &'b [&'a Value], limit: usize) -> (&'b [&'a Value], bool) {
    (objects.get(..limit).unwrap_or(objects), objects.len() > limit)
}

fn created_as_asked(object: &Value, form: &Form) -> bool {
    let created = int(object, "created");
    form.int("created").is_none_or(|at| created == at)
        && form.int("created[gt]").is_none_or(|at| created > at)
        && form.int("created[gte]").is_none_or(|at| created >= at)
        && form.int("created[lt]").is_none_or(|at| created < at)
        && form.int("created[lte]").is_none_or(|at| created <= at)
}

/// A list inside another object, complete.
pub(super) fn complete(data: Vec<Value>, url: String) -> Value {
    let total = data.len();
    json!({ "object": "list", "data": data, "has_more": false, "total_count": total, "url": url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_walk_both_ways_and_stay_newest_first() {
        let objects: Vec<Value> =
            (1..=5).rev().map(|n| json!({ "id": format!("x{n}"), "created": n })).collect();
        let ids = |query: &str| {
            let form = Form::parse(query).unwrap();
            let page = page("x", "/v1/x", objects.iter(), &form).unwrap();
            let ids: Vec<String> =
                page["data"].as_array().unwrap().iter().map(|o| text(o, "id").to_owned()).collect();
            (ids.join(" "), page["has_more"].as_bool().unwrap())
        };
        assert_eq!(ids("limit=2"), ("x5 x4".to_owned(), true));
        assert_eq!(ids("limit=2&starting_after=x4"), ("x3 x2".to_owned(), true));
        assert_eq!(ids("limit=2&starting_after=x2"), ("x1".to_owned(), false));
        assert_eq!(ids("limit=2&ending_before=x1"), ("x3 x2".to_owned(), true));
        assert_eq!(ids("limit=2&ending_before=x4"), ("x5".to_owned(), false));
        assert_eq!(ids("created[gt]=1&created[lte]=3"), ("x3 x2".to_owned(), false));
        for refused in ["limit=0", "limit=101", "starting_after=x9", "starting_after=x1&ending_before=x2"] {
            assert!(page("x", "/v1/x", objects.iter(), &Form::parse(refused).unwrap()).is_err(), "{refused}");
        }
    }
}
