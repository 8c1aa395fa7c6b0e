//! The HTTP side: who may call, which fault a call meets, and that every answer looks like Stripe's.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::Date;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::Notify;

use super::access::{authorize, is_version};
use super::errors::Refusal;
use super::fault::Fault;
use super::form::Form;
use super::idempotency::Asked;
use super::state::{State, new_id};
use super::{Call, checkout_page, control, deliver, expand, router};
use crate::clock::Clock;
use crate::sandbox::faults::Faults;

const HANG: Duration = Duration::from_secs(30);

/// What the server, the deliveries and the handle share.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) faults: Faults<Fault>,
    pub(super) clock: Clock,
    pub(super) secret_key: String,
    pub(super) webhook_secret: String,
    pub(super) delivery: Mutex<deliver::Settings>,
    /// Something happened that may have to be delivered.
    pub(super) happened: Notify,
    /// Nobody is answered any more, on connections that still stand either: the server closes them only by and by.
    pub(super) stopped: AtomicBool,
}

impl Shared {
    pub(super) fn new(clock: Clock, secret_key: String, webhook_secret: String, state: State) -> Self {
        Self {
            state: Mutex::new(state),
            faults: Faults::none(),
            clock,
            secret_key,
            webhook_secret,
            delivery: Mutex::default(),
            happened: Notify::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Something happens without a call: Stripe, a bank or a customer acts.
    pub(super) fn by_itself<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let now = self.clock.now().unix_timestamp();
        let mut state = self.state();
        state.begin(now, None);
        let outcome = act(&mut state);
        router::afterwards(&mut state, now);
        drop(state);
        self.happened.notify_one();
        outcome
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer as it goes over the wire, and as it is kept under an idempotency key.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    headers: Vec<(&'static str, String)>,
    /// Whether the endpoint began its work, so that the answer is kept.
    executed: bool,
}

impl Reply {
    pub(super) fn new(status: u16, body: String) -> Self {
        Self { status, body, headers: Vec::new(), executed: true }
    }

    fn refused(refusal: &Refusal) -> Self {
        let mut reply = Self::new(refusal.status(), pretty(&refusal.body()));
        reply.headers = refusal.headers().iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        reply.executed = refusal.executed();
        reply
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The connection under a request, so that it can be closed without an answer.
pub(super) struct Wire(TcpStream);

impl Wire {
    /// A second handle to the socket of a new connection.
    pub(super) fn of(connection: &dyn std::any::Any) -> Option<Self> {
        let socket = connection.downcast_ref::<actix_web::rt::net::TcpStream>()?;
        #[cfg(unix)]
        let socket = std::os::fd::AsFd::as_fd(socket).try_clone_to_owned().ok()?;
        #[cfg(windows)]
        let socket = std::os::windows::io::AsSocket::as_socket(socket).try_clone_to_owned().ok()?;
        Some(Self(TcpStream::from(socket)))
    }
}

/// One call as it arrived.
struct Arrival {
    method: String,
    path: String,
    query: String,
    body: String,
    is_form: bool,
    key: Option<String>,
    version: Option<String>,
    authorization: Option<String>,
    request_id: String,
}

/// Answers every request that reaches the stand-in.
pub(super) async fn serve(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    if shared.stopped.load(Ordering::SeqCst) {
        return hang_up(&request);
    }
    if request.path().starts_with("/_sandbox") || request.path() == "/" {
        return control::serve(&request, &body, &shared);
    }
    if ["/pay/", "/link/"].iter().any(|page| request.path().starts_with(page)) {
        return checkout_page::serve(&request, &body, &shared);
    }
    let arrival = Arrival::read(&request, &body);
    let call = format!("{} {}", arrival.method, arrival.path);
    let outage = shared.faults.outage();
    let fault = if outage { Some(Fault::Unavailable) } else { shared.faults.take(&call) };
    // Whoever sees it there may ask for faults that meet the next one, and not this one.
    let number = note(&shared, &arrival);
    let begun = match fault.and_then(refused_at_once) {
        Some(refusal) => Err(refusal),
        None => begin(&shared, &arrival),
    };
    // A key that was claimed is in use while its call waits.
    shared.faults.wait(&call).await;
    let reply = match begun {
        Err(refusal) => Reply::refused(&refusal),
        Ok(Begun::Replayed(reply)) => reply,
        Ok(Begun::Claimed(mut claim, form)) => {
            let reply = claim.execute(&arrival, &form, fault);
            if fault == Some(Fault::Hang) {
                tokio::time::sleep(HANG).await;
            }
            reply
        }
    };
    // It may have been stopped while the call waited.
    if fault == Some(Fault::DropConnection) || shared.stopped.load(Ordering::SeqCst) {
        return hang_up(&request);
    }
    if let Some(call) = shared.state().calls.get_mut(number) {
        call.status = Some(reply.status);
    }
    respond(&arrival, reply, shared.clock.now().into())
}

/// Closes the connection; what is returned finds nobody to read it.
fn hang_up(request: &HttpRequest) -> HttpResponse {
    if let Some(wire) = request.conn_data::<Wire>() {
        let _closed_already = wire.0.shutdown(Shutdown::Both);
    }
    HttpResponse::InternalServerError().finish()
}

/// Faults that are met before anything is looked at.
fn refused_at_once(fault: Fault) -> Option<Refusal> {
    match fault {
        Fault::RateLimited => Some(Refusal::rate_limited()),
        Fault::LockTimeout => Some(Refusal::lock_timeout()),
        Fault::Unavailable => Some(Refusal::unavailable()),
        Fault::ExpiredKey => {
            Some(Refusal::unauthorized("Expired API Key provided: sk_test_****").code("api_key_expired"))
        }
        Fault::MissingPermission => Some(Refusal::forbidden(
            "The provided key 'rk_test_****' does not have the required permissions for this endpoint.",
        )),
        Fault::ServerError | Fault::ServerErrorAfterWork | Fault::Hang | Fault::DropConnection => None,
    }
}

impl Arrival {
    fn read(request: &HttpRequest, body: &web::Bytes) -> Self {
        let header = |name: &str| {
            let value = request.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        };
        let is_form = header("content-type")
            .is_none_or(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
        let method = request.method().as_str().to_owned();
        Self {
            key: header("idempotency-key").filter(|_| method == "POST"),
            version: header("stripe-version"),
            authorization: header("authorization"),
            path: request.path().to_owned(),
            query: request.query_string().to_owned(),
            body: String::from_utf8_lossy(body).into_owned(),
            is_form,
            method,
            request_id: new_id("req_").chars().take(18).collect(),
        }
    }

    fn form(&self) -> Result<Form, Refusal> {
        if !self.is_form && !self.body.is_empty() {
            return Err(Refusal::invalid("Invalid request: POST bodies must be form-encoded."));
        }
        let parts = [self.query.as_str(), self.body.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Form::parse(&parts.join("&"))
    }
}

/// Writes the call down before anything is done about it; answers its number.
fn note(shared: &Shared, arrival: &Arrival) -> usize {
    let mut state = shared.state();
    state.calls.push(Call {
        method: arrival.method.clone(),
        path: arrival.path.clone(),
        idempotency_key: arrival.key.clone(),
        stripe_version: arrival.version.clone(),
        form: arrival.form().map(|form| form.pairs()).unwrap_or_default(),
        status: None,
    });
    state.calls.len() - 1
}

enum Begun<'a> {
    Replayed(Reply),
    Claimed(Claim<'a>, Form),
}

/// Everything that is checked before an endpoint begins its work.
fn begin<'a>(shared: &'a Shared, arrival: &Arrival) -> Result<Begun<'a>, Refusal> {
    authorize(&shared.secret_key, arrival.authorization.as_deref())?;
    if let Some(version) = &arrival.version
        && !is_version(version)
    {
        let message =
            format!("Invalid Stripe API version: {version}. It must be a date, followed by a name.");
        return Err(Refusal::invalid(message));
    }
    let form = arrival.form()?;
    let key = arrival.key.clone();
    if let Some(key) = &key {
        let asked = Asked { path: arrival.path.clone(), pairs: form.pairs() };
        let now = shared.clock.now().unix_timestamp();
        if let Some(reply) = shared.state().keys.claim(key, &asked, now)? {
            return Ok(Begun::Replayed(reply.header("Idempotent-Replayed", "true")));
        }
    }
    Ok(Begun::Claimed(Claim { shared, key, outcome: None }, form))
}

/// A call that may work; its idempotency key is in use until it is dropped.
struct Claim<'a> {
    shared: &'a Shared,
    key: Option<String>,
    outcome: Option<Reply>,
}

impl Claim<'_> {
    fn execute(&mut self, arrival: &Arrival, form: &Form, fault: Option<Fault>) -> Reply {
        let mut reply = match fault {
            Some(Fault::ServerError) => Reply::refused(&Refusal::server_error()),
            _ => run(self.shared, arrival, form),
        };
        if fault == Some(Fault::ServerErrorAfterWork) {
            reply = Reply::refused(&Refusal::server_error());
        }
        let reply = match &self.key {
            Some(key) => reply.header("Idempotency-Key", key).header("Original-Request", &arrival.request_id),
            None => reply,
        };
        self.outcome = Some(reply.clone()).filter(|reply| reply.executed);
        reply
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.shared.state().keys.release(key, self.outcome.take());
        }
    }
}

/// The work itself: all of it, or nothing when it is refused.
fn run(shared: &Shared, arrival: &Arrival, form: &Form) -> Reply {
    let now = shared.clock.now().unix_timestamp();
    let mut state = shared.state();
    state.begin(now, Some((arrival.request_id.clone(), arrival.key.clone())));
    let answer = router::route(&mut state, &arrival.method, &arrival.path, form).and_then(|mut answer| {
        expand::expand(&state, &mut answer, &form.words("expand"))?;
        Ok(answer)
    });
    let reply = match answer {
        Ok(answer) => Reply::new(200, pretty(&answer)),
        Err(refusal) => {
            if !refusal.keeps_changes() {
                state.take_back();
            }
            Reply::refused(&refusal)
        }
    };
    router::afterwards(&mut state, now);
    drop(state);
    shared.happened.notify_one();
    reply
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// `now` is when Stripe answers by its own clock, the one that `created` comes from.
fn respond(arrival: &Arrival, reply: Reply, now: SystemTime) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header(("Content-Type", "application/json"));
    response.insert_header(Date(now.into()));
    response.insert_header(("Request-Id", arrival.request_id.as_str()));
    let version = arrival.version.as_deref().filter(|version| is_version(version));
    response.insert_header(("Stripe-Version", version.unwrap_or(super::events::API_VERSION)));
    for (name, value) in reply.headers {
        response.insert_header((name, value));
    }
    response.body(reply.body)
}

/// Starts to listen on loopback; answers the port and the server to run.
pub(super) fn listen(port: u16, shared: &Arc<Shared>) -> std::io::Result<(u16, actix_web::dev::Server)> {
    let data = web::Data::from(Arc::clone(shared));
    let server = actix_web::HttpServer::new(move || {
        actix_web::App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(1024 * 1024))
            .default_service(web::to(serve))
    })
    .workers(1)
    .disable_signals()
    // A caller that goes away ends its call.
    .h1_allow_half_closed(false)
    .on_connect(|connection, extensions| {
        if let Some(wire) = Wire::of(connection) {
            extensions.insert(wire);
        }
    })
    .bind(("127.0.0.1", port))?;
    let port = server.addrs().first().map_or(port, std::net::SocketAddr::port);
    Ok((port, server.run()))
}
