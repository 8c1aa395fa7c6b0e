//! A stand-in for Stripe with state: objects, events, idempotency keys, test cards, and faults on request.
//!
//! It answers over HTTP on loopback as Stripe does and refuses what it does not know. It must not use the
//! clients that call it. What it leaves out: prorations, renewals, taxes, currency conversion, Connect.

mod access;
mod account;
mod amounts;
mod balance;
mod charges;
mod checkout;
mod checkout_page;
mod checkout_sessions;
mod confirm;
mod control;
mod customers;
mod deliver;
mod drafts;
mod errors;
mod events;
mod expand;
mod fault;
mod form;
mod idempotency;
mod invoices;
mod line_items;
mod lists;
mod metadata;
mod method_types;
mod one_off_invoices;
mod pauses;
mod payment_intents;
mod payment_links;
mod payment_methods;
mod payouts;
mod prices;
mod refunds;
mod router;
mod sample;
mod schedules;
mod server;
mod state;
mod subscription_items;
mod subscriptions;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use serde_json::Value;

pub use fault::{Fault, UnknownFault};

use crate::clock::Clock;
use server::Shared;
use state::State;

/// How a stand-in is set up.
#[derive(Clone)]
pub struct Options {
    /// Where it listens on 127.0.0.1; 0 takes any free port.
    pub port: u16,
    /// The only key it accepts.
    pub secret_key: String,
    /// What events are signed with.
    pub webhook_secret: String,
    /// Where `created` and signature times come from.
    pub clock: Clock,
}

/// One call that reached the stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The key of a POST.
    pub idempotency_key: Option<String>,
    /// The `Stripe-Version` header.
    pub stripe_version: Option<String>,
    /// Query and body, decoded; a name is written with its brackets and indices.
    pub form: Vec<(String, String)>,
    /// The status of the answer; none while there is no answer, and when the connection was dropped.
    pub status: Option<u16>,
}

/// A running stand-in; clones are the same one. It stops when the last is dropped.
#[derive(Clone)]
pub struct Stripe(Arc<Running>);

struct Running {
    shared: Arc<Shared>,
    port: u16,
    server: ServerHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The stop is asked for at once; nobody is left to wait for it.
        drop(self.halt());
    }
}

impl Running {
    fn halt(&self) -> impl Future<Output = ()> + use<> {
        if let Some(task) = self.shared.settings().task.take() {
            task.abort();
        }
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.server.stop(false)
    }
}

impl Stripe {
    /// Listens on 127.0.0.1 and serves in the current tokio runtime.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let mut state = State::empty();
        prices::seed(&mut state, options.clock.now().unix_timestamp());
        let shared = Arc::new(Shared::new(options.clock, options.secret_key, options.webhook_secret, state));
        let (port, server) = server::listen(options.port, &shared)?;
        shared.state().address = format!("http://127.0.0.1:{port}");
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self(Arc::new(Running { shared, port, server: handle })))
    }

    /// `http://127.0.0.1:PORT`
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }

    /// Ends the server and the deliveries; open calls are cut.
    pub async fn stop(&self) {
        self.0.halt().await;
    }

    /// Sets the webhook endpoint of the service.
    pub fn deliver_to(&self, url: String) {
        self.0.shared.settings().url = Some(url);
        self.0.shared.happened.notify_one();
    }

    /// From now on each event is delivered at once, and again with backoff until it is accepted.
    pub fn deliver_in_background(&self) {
        deliver::in_background(&self.0.shared);
    }

    /// Delivers every event not accepted yet once, in order, each freshly signed; answers id and status of each
    /// delivery (0: nobody answered). Without an endpoint nothing is delivered.
    pub async fn deliver_pending(&self) -> Vec<(String, u16)> {
        deliver::pending(&self.0.shared).await
    }

    /// Delivers one event, also one that was accepted before; 0 when nobody answered or no such event exists.
    pub async fn deliver(&self, event_id: &str) -> u16 {
        deliver::again(&self.0.shared, event_id).await
    }

    /// The next [`Stripe::deliver_pending`] delivers each event twice.
    pub fn deliver_twice(&self) {
        self.0.shared.settings().twice = true;
    }

    /// The next [`Stripe::deliver_pending`] delivers the newest event first.
    pub fn deliver_out_of_order(&self) {
        self.0.shared.settings().out_of_order = true;
    }

    /// All events, oldest first, as they are delivered.
    pub fn events(&self) -> Vec<Value> {
        self.0.shared.state().events.iter().map(|event| event.value.clone()).collect()
    }

    /// An object as it is now.
    pub fn object(&self, id: &str) -> Option<Value> {
        self.0.shared.state().get(id).cloned()
    }

    /// All calls to `/v1`, in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.0.shared.state().calls.clone()
    }

    /// The next `count` calls meet this fault.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.0.shared.faults.fail_next(count, fault);
    }

    /// From now on each of `faults` comes in `percent` of the calls, by chance: the same seed brings the same faults. No
    /// faults end it.
    pub fn at_random(&self, seed: u64, percent: usize, faults: &[Fault]) {
        self.0.shared.faults.at_random(seed, percent, faults.to_vec());
    }

    /// From now on every call meets this fault.
    pub fn fail_all(&self, fault: Fault) {
        self.0.shared.faults.fail_all(fault);
    }

    /// Faults that were asked for wait until a call comes that `begins` is true of: `GET /v1/account`.
    pub fn begin_faults_at(&self, begins: fn(&str) -> bool) {
        self.0.shared.faults.begin_at(begins);
    }

    /// Forgets the faults that were asked for, also those that come by chance. An outage goes on.
    pub fn forget_faults(&self) {
        self.0.shared.faults.forget();
    }

    /// How many faults were asked for that no call has met yet.
    pub fn faults_waiting(&self) -> usize {
        self.0.shared.faults.waiting()
    }

    /// While on, every call is answered 503.
    pub fn set_outage(&self, on: bool) {
        self.0.shared.faults.set_outage(on);
    }

    /// Every answer waits this long; an idempotency key is in use meanwhile.
    pub fn set_latency(&self, latency: Duration) {
        self.0.shared.faults.set_latency(latency);
    }

    /// Calls that `which` is true of (`POST /v1/customers`) are not carried out until they are let go; their keys are in use
    /// meanwhile.
    pub fn hold(&self, which: fn(&str) -> bool) {
        self.0.shared.faults.hold(which);
    }

    /// Goes on with the calls that were held.
    pub fn let_go(&self) {
        self.0.shared.faults.let_go();
    }

    /// A customer pays an open checkout session on its page with a test card (`pm_card_visa`).
    ///
    /// Errors: why the page refused; the session stays open.
    pub fn pay_session(&self, session: &str, card: &str) -> Result<Value, String> {
        checkout_page::pay(&self.0.shared, session, card)
    }

    /// Someone opens a payment link: the session that begins.
    ///
    /// Errors: why the page says no.
    pub fn open_link(&self, link: &str) -> Result<Value, String> {
        checkout_page::open(&self.0.shared, link)
    }

    /// Puts objects in place that a first look around and the examples of the API need; no event tells of them.
    pub fn seed_sample(&self) {
        let now = self.0.shared.clock.now().unix_timestamp();
        sample::seed(&mut self.0.shared.state(), now);
    }

    /// The customer confirms (or refuses to confirm) a payment intent that waits in `requires_action`; false when
    /// it does not.
    pub fn authenticate(&self, payment_intent: &str, confirmed: bool) -> bool {
        self.0.shared.by_itself(|state| confirm::authenticated(state, payment_intent, confirmed))
    }

    /// A refund that had succeeded fails at the bank, with this `failure_reason`; false when it had not.
    pub fn fail_refund(&self, refund: &str, reason: &str) -> bool {
        self.0.shared.by_itself(|state| refunds::fail(state, refund, reason))
    }

    /// From now on the secret key is one of another account, with the same objects.
    pub fn become_account(&self, id: &str) {
        id.clone_into(&mut self.0.shared.state().account);
    }

    /// Sends what is available in this currency to the bank; the payout's id, or nothing when nothing is available.
    pub fn pay_out(&self, currency: &str) -> Option<String> {
        self.0.shared.by_itself(|state| payouts::pay_out(state, currency))
    }

    /// A payout arrives at the bank, and from now on can be listed; false when it is not under way.
    pub fn payout_arrives(&self, payout: &str) -> bool {
        self.0.shared.by_itself(|state| payouts::arrive(state, payout))
    }

    /// Puts a ready-made object in place by its `id` and `object`, without an event; `GET` finds it.
    pub fn insert(&self, object: Value) {
        self.0.shared.state().put(object);
    }
}
