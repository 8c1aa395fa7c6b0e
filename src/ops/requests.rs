//! Dead letters over HTTP.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Ops;
use super::dead_letters::{
    self, DeadLetterDetail, DeadLetterList, DeadLetterPreview, Done, Id, Kind, Many, Wanted,
};
use crate::api::{Caller, Code, Fields, JsonBody, Problem, ProblemBody, RequestId, Scope};
use crate::store::dead_letters::Filter;

const KINDS: [(&str, Kind); 2] = [("record", Kind::Record), ("event", Kind::Event)];

/// Which dead letters to replay; at least one field.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct ReplayDeadLettersRequest {
    /// record or event.
    #[schema(nullable = false, example = "record")]
    kind: Option<String>,
    /// The Salesforce object of records, or the beginning of the type of events in whole words, like charge or payment_intent.
    #[schema(nullable = false, example = "Stripe_Charge__c")]
    object_name: Option<String>,
    /// Salesforce's code, or NOT_MAPPED.
    #[schema(nullable = false, example = "STRING_TOO_LONG")]
    code: Option<String>,
    /// Given up since then: a time, a day, or so long ago, like 24h.
    #[schema(nullable = false, example = "24h")]
    since: Option<String>,
    /// A part of the id or of the error.
    #[schema(nullable = false, example = "validation rule")]
    text: Option<String>,
    /// All of them; needed when nothing else is given.
    #[schema(nullable = false, example = true)]
    everything: Option<bool>,
}

/// Why a dead letter is set aside.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body for the OpenAPI document")]
pub(super) struct DiscardDeadLetterRequest {
    /// For whoever asks later.
    #[schema(example = "the customer was entered by hand")]
    reason: String,
}

/// What became of one dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetterAnswer {
    /// Names it.
    #[schema(example = "record:17")]
    dead_letter_id: String,
    /// replayed or discarded.
    #[schema(example = "replayed")]
    outcome: String,
    /// Whether it was made anew by today's mapping; otherwise its events are not stored any more, and it is sent as it was.
    #[schema(example = true)]
    remade: bool,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
}

/// What became of many.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayedDeadLetters {
    /// Due again.
    #[schema(example = 12)]
    replayed_count: i64,
    /// Not made by today's mapping; they stay dead letters, and their previews say why.
    #[schema(example = 0)]
    refused_count: i64,
    /// Time was up before all were looked at: ask again.
    #[schema(example = false)]
    more_remain: bool,
    /// Names this request in the service's log.
    #[schema(example = "01a0a1b2-5c60-7cc2-a1f4-0c0b6d1c9a11")]
    request_id: String,
}

/// Lists what was given up: events that could not be mapped and records that could not be delivered.
#[utoipa::path(
    get, path = "/v1/dead-letters", operation_id = "listDeadLetters", tag = "operations",
    params(
        ("kind" = Option<String>, Query,
            description = "Only records that could not be delivered (record), or only events that could not be mapped (event)."),
        ("objectName" = Option<String>, Query,
            description = "The Salesforce object of records, like Stripe_Charge__c, or the beginning of the type of events in whole words, like charge or payment_intent."),
        ("code" = Option<String>, Query, description = "Salesforce's code, like STRING_TOO_LONG, or NOT_MAPPED."),
        ("since" = Option<String>, Query,
            description = "Given up since then: a time, a day, or so long ago, like 24h."),
        ("text" = Option<String>, Query, description = "A part of the id or of the error."),
        ("pageSize" = Option<i64>, Query, example = 100, description = "At most so many, 1 to 200; 100 if absent."),
        ("page" = Option<String>, Query, description = "nextPage of the page before."),
    ),
    responses(
        (status = "2XX", description = "One page of them.", body = DeadLetterList),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn list_dead_letters(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsRead)?;
    let mut fields = query(&request)?;
    let mut wanted = read_filter(&mut fields, |text| dead_letters::since(text, ops.clock.now()));
    wanted.filter.accounts = ops.accounts_of(&caller);
    let limit = fields.whole("pageSize", 1..=200).unwrap_or(100);
    let page = fields.text("page", 60, "r1795190400000.17");
    fields.finish(Some(()))?;
    let Some((letters, next_page)) = ops.dead_letters(wanted, page.as_deref(), limit).await? else {
        return Err(wrong("page", "is no nextPage of this list"));
    };
    let request_id = RequestId::of(&request);
    Ok(HttpResponse::Ok().json(DeadLetterList { dead_letters: letters, next_page, request_id }))
}

/// Gets everything about one dead letter: what was sent, the full error, what happened before.
#[utoipa::path(
    get, path = "/v1/dead-letters/{deadLetterId}", operation_id = "getDeadLetter", tag = "operations",
    params(("deadLetterId" = String, Path, description = "As it is listed.", example = "record:17")),
    responses(
        (status = "2XX", description = "All about it.", body = DeadLetterDetail),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn get_dead_letter(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsRead)?;
    let (_, detail) = find(&ops, &caller, &id).await?;
    Ok(HttpResponse::Ok().json(DeadLetterDetail { request_id: RequestId::of(&request), ..detail }))
}

/// Shows what a replay would send now, by today's mapping. Nothing is sent or changed.
#[utoipa::path(
    get, path = "/v1/dead-letters/{deadLetterId}/preview", operation_id = "previewDeadLetter", tag = "operations",
    params(("deadLetterId" = String, Path, description = "As it is listed.", example = "record:17")),
    responses(
        (status = "2XX", description = "What would be sent.", body = DeadLetterPreview),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn preview_dead_letter(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsRead)?;
    let (found, _) = find(&ops, &caller, &id).await?;
    let preview = ops.preview(found).await?.ok_or_else(|| missing(&id))?;
    Ok(HttpResponse::Ok().json(DeadLetterPreview { request_id: RequestId::of(&request), ..preview }))
}

/// Tries one dead letter again. A record is made anew of its stored events by today's mapping.
#[utoipa::path(
    post, path = "/v1/dead-letters/{deadLetterId}/replay", operation_id = "replayDeadLetter", tag = "operations",
    params(("deadLetterId" = String, Path, description = "As it is listed.", example = "record:17")),
    responses(
        (status = "2XX", description = "It is due again.", body = DeadLetterAnswer),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn replay_dead_letter(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsWrite)?;
    let (found, _) = find(&ops, &caller, &id).await?;
    answer(&request, found, ops.replay(found, &caller.key_id).await?)
}

/// Tries all dead letters again that fit. Works for a few seconds and then says whether there are more.
#[utoipa::path(
    post, path = "/v1/dead-letters/replay", operation_id = "replayDeadLetters", tag = "operations",
    request_body(content = ReplayDeadLettersRequest, example = json!({ "code": "STRING_TOO_LONG" })),
    responses(
        (status = "2XX", description = "How many are due again.", body = ReplayedDeadLetters),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn replay_dead_letters(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsWrite)?;
    let mut fields = body.fields()?;
    let mut wanted = read_replay(&mut fields, |text| dead_letters::since(text, ops.clock.now()));
    wanted.filter.accounts = ops.accounts_of(&caller);
    let wanted = fields.finish(Some(wanted))?;
    let Many { replayed, refused, more } = ops.replay_all(wanted, &caller.key_id).await?;
    Ok(HttpResponse::Ok().json(ReplayedDeadLetters {
        replayed_count: replayed,
        refused_count: refused,
        more_remain: more,
        request_id: RequestId::of(&request),
    }))
}

/// Sets one dead letter aside: it is not listed any more and not sent. A newer state of the record is sent all the same.
#[utoipa::path(
    post, path = "/v1/dead-letters/{deadLetterId}/discard", operation_id = "discardDeadLetter", tag = "operations",
    params(("deadLetterId" = String, Path, description = "As it is listed.", example = "record:17")),
    request_body = DiscardDeadLetterRequest,
    responses(
        (status = "2XX", description = "It stays away.", body = DeadLetterAnswer),
        (status = "4XX", description = "The request has to be changed.", body = ProblemBody),
        (status = "5XX", description = "The service has a problem.", body = ProblemBody),
    ),
)]
pub(super) async fn discard_dead_letter(
    request: HttpRequest,
    ops: web::Data<Ops>,
    caller: Caller,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    caller.require(Scope::OpsWrite)?;
    let mut fields = body.fields()?;
    let reason = read_reason(&mut fields);
    let reason = fields.finish(reason)?;
    let (found, _) = find(&ops, &caller, &id).await?;
    answer(&request, found, ops.discard(found, &reason, &caller.key_id).await?)
}

fn answer(request: &HttpRequest, id: Id, done: Done) -> Result<HttpResponse, Problem> {
    let (outcome, remade) = match done {
        Done::Replayed { remade } => ("replayed", remade),
        Done::Discarded => ("discarded", false),
        Done::NoSuch => return Err(missing(&id.to_string())),
        Done::Refused(reason) => return Err(Problem::new(Code::NotReplayable, reason)),
    };
    Ok(HttpResponse::Ok().json(DeadLetterAnswer {
        dead_letter_id: id.to_string(),
        outcome: outcome.to_owned(),
        remade,
        request_id: RequestId::of(request),
    }))
}

/// The dead letter of a name, if the caller may see it.
async fn find(ops: &Ops, caller: &Caller, name: &str) -> Result<(Id, DeadLetterDetail), Problem> {
    let id = Id::parse(name).ok_or_else(|| missing(name))?;
    let detail = ops.dead_letter(id).await?.ok_or_else(|| missing(name))?;
    let mine = ops.accounts_of(caller);
    if mine.is_some_and(|mine| !mine.contains(&detail.dead_letter.account_name)) {
        return Err(missing(name));
    }
    Ok((id, detail))
}

fn missing(name: &str) -> Problem {
    let begin: String = name.chars().take(60).collect();
    let detail = format!(
        "`{begin}` is no dead letter, or not any more; their names are like `record:17` or `event:5`"
    );
    Problem::new(Code::ResourceMissing, detail)
}

fn wrong(field: &str, problem: &str) -> Problem {
    let (field, problem) = (field.to_owned(), problem.to_owned());
    Problem::fields(vec![crate::api::FieldProblem { field, problem, expected: None, example: None }])
}

/// The parameters of a query, read like the fields of a body.
fn query(request: &HttpRequest) -> Result<Fields, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|error| Problem::new(Code::BadRequest, format!("the query cannot be read: {error}")))?;
    let members: Vec<String> = pairs
        .into_inner()
        .iter()
        .map(|(name, value)| {
            format!("{}:{}", serde_json::Value::from(&**name), serde_json::Value::from(&**value))
        })
        .collect();
    Fields::parse(format!("{{{}}}", members.join(",")).as_bytes())
}

/// Reads the reason of [`DiscardDeadLetterRequest`].
pub(crate) fn read_reason(fields: &mut Fields) -> Option<String> {
    let reason = fields.text("reason", 1_000, "the customer was entered by hand");
    if reason.is_none() {
        fields.missing("reason", "why it is set aside", "the customer was entered by hand");
    }
    reason
}

/// Reads the body of [`ReplayDeadLettersRequest`]; `since` reads a time.
pub(crate) fn read_replay(fields: &mut Fields, since: impl Fn(&str) -> Option<i64>) -> Wanted {
    let wanted = read_filter(fields, since);
    let everything = fields.flag("everything").unwrap_or(false);
    if wanted.is_everything() && !everything {
        fields.missing("everything", "true, or a field that says which", "true");
    }
    wanted
}

/// Reads what the list and the replay of many have in common.
fn read_filter(fields: &mut Fields, since: impl Fn(&str) -> Option<i64>) -> Wanted {
    let kind = fields.word("kind", &KINDS);
    let filter = Filter {
        object: fields.text("objectName", 255, "Stripe_Charge__c"),
        code: fields.text("code", 255, "STRING_TOO_LONG"),
        since_ms: fields.text("since", 40, "24h").and_then(|text| {
            let at = since(&text);
            if at.is_none() {
                let expected = "a time like 2026-11-20T16:00:00Z, a day, or 90m, 24h, 7d";
                fields.fault("since", "is no time", Some(expected), Some("24h"));
            }
            at
        }),
        text: fields.text("text", 255, "validation rule"),
        accounts: None,
    };
    Wanted { kind, filter }
}
