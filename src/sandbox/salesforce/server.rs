//! HTTP in front of the org: faults, sessions and the call limit come before any resource.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::value::RawValue;

use super::calls::Call;
use super::failure::Failure;
use super::fault::Fault;
use super::ids::RecordId;
use super::json::Json;
use super::org::Org;
use super::request::{Answer, Request};
use super::schema::Schema;
use super::transaction::Transaction;
use super::{Options, api, limits, login, page};

/// The largest body that is taken. Source: the SOAP API's limit; the REST API's own is not documented.
const MAX_BODY: usize = 50 * 1024 * 1024;

const LIMIT_INFO: &str = "Sforce-Limit-Info";

/// Binds the port and serves the org from the current runtime.
pub(super) fn start(options: Options, schema: Schema) -> io::Result<(Arc<Org>, ServerHandle)> {
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let org = Arc::new(Org::new(options, schema, base_url));
    let shared = web::Data::from(org.clone());
    let routes = move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .route("/services/oauth2/token", web::post().to(sign_in))
            .service(web::resource("/services/data{rest:(/.*)?}").to(data))
            .configure(page::routes)
    };
    let server =
        HttpServer::new(routes).workers(1).disable_signals().shutdown_timeout(1).listen(listener)?.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok((org, handle))
}

/// What a call did, for the call log.
#[derive(Default)]
struct Did {
    subrequests: usize,
    collections: Vec<usize>,
}

/// Records that stay locked until the call is over, whether or not its caller still waits.
struct Held<'a> {
    org: &'a Org,
    records: Vec<RecordId>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.records.is_empty() {
            self.org.state().locks.release(&self.records);
        }
    }
}

/// A body that breaks off before its first byte, so that the connection closes without an answer.
struct Cut;

impl MessageBody for Cut {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<web::Bytes>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

/// A body whose length is not told in advance.
struct Chunked(Option<web::Bytes>);

impl MessageBody for Chunked {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<web::Bytes, Infallible>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

async fn sign_in(org: web::Data<Org>, request: HttpRequest, form: web::Bytes) -> HttpResponse {
    if org.faults.outage() {
        let Answer { status, body, .. } = unavailable().into();
        log(&org, &request, status, Did::default());
        return respond(status, body);
    }
    let name = name_of(&request);
    org.faults.wait(&name).await;
    let fault = org.sign_in_faults.take(&name);
    sign_in_with(&org, &request, &form, fault).await
}

async fn sign_in_with(org: &Org, request: &HttpRequest, form: &[u8], fault: Option<Fault>) -> HttpResponse {
    let refused = match fault {
        Some(Fault::SignInUnavailable) => Some(unavailable()),
        fault => fault.and_then(refusal),
    };
    let (status, body) = match (fault, refused) {
        (Some(Fault::Hang | Fault::RefuseConnection), _) => (0, None),
        (Some(Fault::InvalidGrant), _) => {
            let (status, body) = login::invalid_grant();
            (status, Some(body))
        }
        (_, Some(refused)) => (refused.status, Some(refused.body())),
        (_, None) => {
            let (status, body) = login::answer(org, form);
            (status, Some(body))
        }
    };
    log(org, request, if fault == Some(Fault::DropConnection) { 0 } else { status }, Did::default());
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::DropConnection | Fault::RefuseConnection) => cut(),
        Some(Fault::HtmlErrorPage) => html_error(),
        Some(Fault::MalformedAnswer) => respond(status, body).map_body(|_, body| halved(body)),
        Some(Fault::TooManyRequests) => {
            let mut response = HttpResponse::build(status_code(status));
            response.insert_header((RETRY_AFTER, "2"));
            finish(response, body)
        }
        Some(Fault::SessionExpired) => {
            org.state().sessions.end();
            respond(status, body)
        }
        _ => respond(status, body),
    }
}

async fn data(org: web::Data<Org>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    if org.faults.outage() {
        let Answer { status, body, .. } = unavailable().into();
        log(&org, &request, status, Did::default());
        return respond(status, body);
    }
    let breaks = |(id, _): &&(String, Fault)| {
        String::from_utf8_lossy(&body).contains(&format!("\"Stripe_Id__c\":\"{id}\",\""))
    };
    let breaking = org.state().breaking.iter().find(breaks).map(|(_, fault)| *fault);
    let name = name_of(&request);
    let fault = breaking.or_else(|| org.faults.take(&name));
    if fault == Some(Fault::Hang) {
        log(&org, &request, 0, Did::default());
        return std::future::pending().await;
    }
    if fault == Some(Fault::RefuseConnection) {
        log(&org, &request, 0, Did::default());
        return cut();
    }
    let under_way = org.begin();
    let (answer, held, did) = carry_out(&org, &request, &body, fault);
    org.faults.wait(&name).await;
    drop((held, under_way));
    if fault == Some(Fault::DropConnection) {
        log(&org, &request, 0, did);
        return cut();
    }
    log(&org, &request, answer.status, did);
    if fault == Some(Fault::HtmlErrorPage) {
        return html_error();
    }
    let mut response = HttpResponse::build(status_code(answer.status));
    if !is_versions(&request) {
        response.insert_header((LIMIT_INFO, org.limit_info()));
    }
    if let Some(location) = answer.location {
        response.insert_header((LOCATION, location));
    }
    if fault == Some(Fault::TooManyRequests) {
        response.insert_header((RETRY_AFTER, "2"));
    }
    let mut finished = finish(response, answer.body);
    if fault == Some(Fault::MalformedAnswer) {
        finished = finished.map_body(|_, body| halved(body));
    }
    // Source: REST API Developer Guide, "Composite Response Body" - it comes without a Content-Length.
    if request.path().ends_with("/composite") { unmeasured(finished) } else { finished }
}

/// The call itself, without any waiting; the org is locked for other calls meanwhile.
fn carry_out<'a>(
    org: &'a Org,
    request: &HttpRequest,
    body: &[u8],
    fault: Option<Fault>,
) -> (Answer, Option<Held<'a>>, Did) {
    let refuse = |failure: Failure| (failure.into(), None, Did::default());
    if let Some(failure) = fault.and_then(refusal) {
        return refuse(failure);
    }
    if is_versions(request) {
        return (limits::versions(), None, Did::default());
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let rest = path.strip_prefix("/services/data/").unwrap_or_default();
    let (version, target) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
    let now = org.now();
    let mut state = org.state();
    if fault == Some(Fault::SessionExpired) {
        state.sessions.end();
    }
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|token| token.strip_prefix("Bearer ").or(token.strip_prefix("OAuth ")));
    if !token.is_some_and(|token| state.sessions.accept(token, now)) {
        return refuse(Failure::new("INVALID_SESSION_ID", "Session expired or invalid").status(401));
    }
    if let Err(failure) = limits::check_version(version) {
        return refuse(failure);
    }
    if !state.use_call(now) {
        return refuse(Failure::new("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").status(403));
    }
    let body = match read_body(request, body) {
        Ok(body) => body,
        Err(failure) => return refuse(failure),
    };
    let request = Request::new(request.method().as_str(), target, body);
    let mut tx = Transaction::begin(&org.schema, &mut state, version, now);
    tx.is_sandbox = org.options.is_sandbox;
    tx.all_locked = fault == Some(Fault::RecordLocked);
    let answer = api::answer(&mut tx, &request);
    let did = Did { subrequests: tx.subrequests, collections: std::mem::take(&mut tx.collections) };
    let held = Held { org, records: tx.finish() };
    (answer, Some(held), did)
}

/// What a fault answers before anything is carried out.
fn refusal(fault: Fault) -> Option<Failure> {
    let failure = match fault {
        Fault::ServerUnavailable => unavailable(),
        Fault::ServerError => Failure::new("UNKNOWN_EXCEPTION", "An unexpected error occurred.").status(500),
        Fault::RequestLimitExceeded => {
            Failure::new("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").status(403)
        }
        Fault::ConcurrentLimitExceeded => {
            Failure::new("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.").status(403)
        }
        Fault::TooManyRequests => Failure::new("TOO_MANY_REQUESTS", "Too many requests").status(429),
        Fault::HtmlErrorPage => Failure::new("BAD_GATEWAY", "").status(502),
        Fault::MalformedRequest => Failure::unreadable("Unexpected character at [line:1, column:1]"),
        Fault::RecordLocked
        | Fault::SessionExpired
        | Fault::Hang
        | Fault::DropConnection
        | Fault::RefuseConnection
        | Fault::MalformedAnswer
        | Fault::InvalidGrant
        | Fault::SignInUnavailable => return None,
    };
    Some(failure)
}

fn unavailable() -> Failure {
    Failure::new("SERVER_UNAVAILABLE", "The server is too busy or under maintenance").status(503)
}

fn read_body<'a>(request: &HttpRequest, body: &'a [u8]) -> Result<Option<&'a RawValue>, Failure> {
    if body.is_empty() {
        return Ok(None);
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        let message = format!("Content-Type not supported: {kind}");
        return Err(Failure::new("UNSUPPORTED_MEDIA_TYPE", message).status(415));
    }
    serde_json::from_slice(body).map(Some).map_err(|error| Failure::unreadable(error.to_string()))
}

fn is_versions(request: &HttpRequest) -> bool {
    matches!(request.path(), "/services/data" | "/services/data/")
}

fn log(org: &Org, request: &HttpRequest, status: u16, did: Did) {
    org.state().log(Call {
        method: request.method().to_string(),
        path: request.uri().to_string(),
        subrequests: did.subrequests,
        collections: did.collections,
        status,
    });
}

/// Method and address, by which faults are asked for.
fn name_of(request: &HttpRequest) -> String {
    format!("{} {}", request.method(), request.uri())
}

fn cut() -> HttpResponse {
    HttpResponse::new(StatusCode::OK).set_body(Cut).map_into_boxed_body()
}

fn html_error() -> HttpResponse {
    HttpResponse::BadGateway().content_type("text/html; charset=UTF-8").body(HTML_ERROR)
}

fn respond(status: u16, body: Option<Json>) -> HttpResponse {
    finish(HttpResponse::build(status_code(status)), body)
}

fn finish(mut response: actix_web::HttpResponseBuilder, body: Option<Json>) -> HttpResponse {
    match body {
        Some(body) => {
            let text = String::from(Box::<str>::from(body));
            response.content_type("application/json;charset=UTF-8").body(text)
        }
        None => response.finish(),
    }
}

/// A body that ends too soon.
fn halved(body: BoxBody) -> BoxBody {
    let bytes = body.try_into_bytes().unwrap_or_default();
    BoxBody::new(bytes.slice(..bytes.len() / 2))
}

fn unmeasured(response: HttpResponse) -> HttpResponse {
    response.map_body(|_, body| Chunked(body.try_into_bytes().ok()).boxed())
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

const HTML_ERROR: &str = "<html><head><title>Bad Gateway</title></head>\
    <body><h1>Bad Gateway</h1><p>The server is temporarily unable to service your request.</p></body></html>";
