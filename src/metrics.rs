//! What the service counts and measures, in the names under which Prometheus finds it.
//!
//! Each part holds the counters it needs, so that counting is one atomic addition. Every service has a registry of its own.
//! What stands in the database is read when somebody asks for it; see `ops`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use time::OffsetDateTime;

/// Seconds within which a database or a request on this machine answers.
const SHORT: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Seconds within which somebody else answers, or a record arrives.
const LONG: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];
/// How many travel together.
const COUNTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Why a webhook is refused.
const REFUSALS: [&str; 9] = [
    "unknown_account",
    "body_unreadable",
    "body_too_large",
    "body_too_slow",
    "signature_missing",
    "signature_invalid",
    "not_an_event",
    "wrong_mode",
    "not_stored",
];
/// How a call ends.
const OUTCOMES: [&str; 7] =
    ["answered", "rejected", "exhausted", "rate_limited", "logged_out", "unreachable", "unreadable"];

/// Everything that is counted. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Registered>);

/// How long something takes.
#[derive(Clone, Debug)]
pub struct Times(Histogram);

impl Times {
    /// It took so long once more.
    pub fn took(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// How many travel together.
#[derive(Clone, Debug)]
pub struct Sizes(Histogram);

impl Sizes {
    /// So many once more.
    pub fn counted(&self, count: usize) {
        self.0.observe(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
}

/// The metrics by who counts them.
#[derive(Debug)]
pub struct Registered {
    registry: Registry,
    /// Webhook requests, whatever they were answered.
    pub webhook_requests: IntCounter,
    /// How long a webhook took, from its head to the answer.
    pub webhook_duration: Times,
    /// Webhook requests that were not answered 200, by the code of the answer.
    pub webhooks_refused: IntCounterVec,
    /// Events stored for the first time.
    pub events_stored: IntCounter,
    /// Events that had been stored before.
    pub events_duplicate: IntCounter,
    /// How long a commit of events took.
    pub commit_duration: Times,
    /// Events of one commit.
    pub commit_events: Sizes,
    /// Events whose changes are in the outbox.
    pub events_mapped: IntCounter,
    /// Changes written into the outbox.
    pub changes_merged: IntCounter,
    /// Rows given up, by kind.
    pub dead_letters: IntCounterVec,
    /// Objects read from Stripe for the inbox, by outcome.
    pub reads: IntCounterVec,
    /// Requests of the API, by method, route and status.
    requests: IntCounterVec,
    request_duration: HistogramVec,
    /// What stands in the database.
    pub stored: Stored,
    stripe_calls: IntCounterVec,
    stripe_call_duration: HistogramVec,
    salesforce: OrgFamilies,
    orgs: Mutex<Vec<Arc<Org>>>,
}

/// What stands in the database; set when somebody asks.
#[derive(Debug)]
pub struct Stored {
    /// Events not mapped yet.
    pub events_pending: IntGauge,
    /// How long the oldest of them has waited.
    pub oldest_event_age: IntGauge,
    /// Events that could not be mapped.
    pub events_dead: IntGauge,
    /// Records that are not in the org yet, by org and state.
    pub records: IntGaugeVec,
    /// Records that the outbox knows at all.
    pub records_known: IntGauge,
    /// How long the record that is due longest has been due, by org.
    pub oldest_record_age: IntGaugeVec,
    /// Objects of an org whose records wait until somebody mends something.
    pub objects_held: IntGaugeVec,
    /// Objects still to be read from Stripe.
    pub reads_pending: IntGauge,
    /// Creations and changes at Stripe whose outcome is not known.
    pub calls_unknown: IntGauge,
    /// How long the oldest of them has not been known.
    pub oldest_unknown_call_age: IntGauge,
    /// Whether the database answered.
    pub up: IntGauge,
}

#[derive(Debug)]
struct OrgFamilies {
    delivered: IntCounterVec,
    retried: IntCounterVec,
    delay: HistogramVec,
    calls: IntCounterVec,
    call_duration: HistogramVec,
    call_records: HistogramVec,
    sign_ins: IntCounterVec,
    requests_used: IntGaugeVec,
    requests_limit: IntGaugeVec,
    requests_left: IntGaugeVec,
    lane_open: IntGaugeVec,
    lane_needs_a_person: IntGaugeVec,
}

/// What concerns one org.
#[derive(Debug)]
pub struct Org {
    /// Its name in the configuration.
    pub name: String,
    /// Records that Salesforce accepted.
    pub delivered: IntCounter,
    /// Records that failed for a passing reason.
    pub retried: IntCounter,
    /// Records that wait for their parent.
    pub waiting_for_parent: IntCounter,
    /// From the moment a record was due to the moment it was accepted.
    pub delay: Times,
    /// Records of one call.
    pub call_records: Sizes,
    calls: IntCounterVec,
    call_duration: Times,
    sign_ins: IntCounterVec,
    requests_used: IntGauge,
    requests_limit: IntGauge,
    requests_left: IntGauge,
    lane_open: IntGauge,
    lane_needs_a_person: IntGauge,
    lane: Mutex<Lane>,
}

/// Whether an org takes anything now, as this process sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Nothing is sent before; none while the lane is open.
    pub closed_until: Option<OffsetDateTime>,
    /// Why it was closed.
    pub reason: Option<String>,
    /// Only a person can mend it.
    pub needs_a_person: bool,
}

/// The requests of the org's rolling day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Used by everybody, as the org counts.
    pub used: i64,
    /// What the org allows.
    pub limit: i64,
    /// What is left of our share.
    pub left: i64,
}

/// What concerns one Stripe account.
#[derive(Clone, Debug)]
pub struct Account {
    calls: IntCounterVec,
    duration: Times,
    name: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Registered::new()))
    }
}

impl std::ops::Deref for Metrics {
    type Target = Registered;

    fn deref(&self) -> &Registered {
        &self.0
    }
}

impl Metrics {
    /// The metrics of an org, which are shown from now on.
    pub fn org(&self, name: &str) -> Arc<Org> {
        let mut orgs = lock(&self.0.orgs);
        if let Some(known) = orgs.iter().find(|org| org.name == name) {
            return Arc::clone(known);
        }
        let org = Arc::new(self.0.salesforce.of(name));
        orgs.push(Arc::clone(&org));
        org
    }

    /// All orgs that are shown.
    pub fn orgs(&self) -> Vec<Arc<Org>> {
        lock(&self.0.orgs).clone()
    }

    /// The metrics of a Stripe account.
    pub fn account(&self, name: &str) -> Account {
        for outcome in OUTCOMES.into_iter().filter(|outcome| !["logged_out", "exhausted"].contains(outcome)) {
            self.0.stripe_calls.with_label_values(&[name, outcome]);
        }
        Account {
            calls: self.0.stripe_calls.clone(),
            duration: Times(self.0.stripe_call_duration.with_label_values(&[name])),
            name: name.to_owned(),
        }
    }

    /// A request of the API was answered.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.0.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        Times(self.0.request_duration.with_label_values(&[method, route])).took(took);
    }

    /// Everything in Prometheus' text format, version 0.0.4.
    ///
    /// Errors: a metric cannot be written; which would be a bug.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }
}

impl Org {
    /// A call ended: how, and after which time.
    pub fn called(&self, outcome: &str, took: Duration) {
        self.calls.with_label_values(&[self.name.as_str(), outcome]).inc();
        self.call_duration.took(took);
    }

    /// A sign-in ended.
    pub fn signed_in(&self, outcome: &str) {
        self.sign_ins.with_label_values(&[self.name.as_str(), outcome]).inc();
    }

    /// What the org said of its requests.
    pub fn note_budget(&self, budget: Budget) {
        self.requests_used.set(budget.used);
        self.requests_limit.set(budget.limit);
        self.requests_left.set(budget.left);
    }

    /// What the org said last; none before its first answer.
    pub fn budget(&self) -> Option<Budget> {
        let budget = Budget {
            used: self.requests_used.get(),
            limit: self.requests_limit.get(),
            left: self.requests_left.get(),
        };
        (budget.limit > 0).then_some(budget)
    }

    /// Nothing is sent for a while.
    pub fn lane_closed(&self, until: OffsetDateTime, reason: &str, needs_a_person: bool) {
        let lane = Lane { closed_until: Some(until), reason: Some(reason.to_owned()), needs_a_person };
        self.show(&lane);
        *lock(&self.lane) = lane;
    }

    /// The org takes records again.
    pub fn lane_opened(&self) {
        self.show(&Lane::default());
        *lock(&self.lane) = Lane::default();
    }

    /// Shows scrapers what is known of the lane, also from other processes.
    pub fn show(&self, lane: &Lane) {
        self.lane_open.set(i64::from(lane.closed_until.is_none()));
        self.lane_needs_a_person.set(i64::from(lane.needs_a_person));
    }

    /// Whether the org takes anything now.
    pub fn lane(&self) -> Lane {
        lock(&self.lane).clone()
    }
}

impl Account {
    /// A call to Stripe ended: how, and after which time.
    pub fn called(&self, outcome: &str, took: Duration) {
        self.calls.with_label_values(&[self.name.as_str(), outcome]).inc();
        self.duration.took(took);
    }
}

impl Registered {
    fn new() -> Self {
        let registry = Registry::new();
        let make = Make(&registry);
        let build = make.gauges("build_info", "Always 1; the label is the running version", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let counted = Self {
            webhook_requests: make
                .counter("webhook_requests_total", "Webhook requests, whatever they were answered"),
            webhook_duration: Times(make.histogram(
                "webhook_request_duration_seconds",
                "From the head of a webhook request to its answer",
                &SHORT,
            )),
            webhooks_refused: make.counters(
                "webhooks_refused_total",
                "Webhook requests not answered 200, by the code of the answer",
                &["reason"],
            ),
            events_stored: make.counter("events_stored_total", "Events stored for the first time"),
            events_duplicate: make.counter("events_duplicate_total", "Events that had been stored before"),
            commit_duration: Times(make.histogram(
                "commit_duration_seconds",
                "How long a commit of events took, fsync included",
                &SHORT,
            )),
            commit_events: Sizes(make.histogram("commit_events", "Events of one commit", &COUNTS)),
            events_mapped: make.counter("events_mapped_total", "Events whose changes are in the outbox"),
            changes_merged: make.counter("changes_merged_total", "Record states written into the outbox"),
            dead_letters: make.counters("dead_letters_total", "Events and records given up", &["kind"]),
            reads: make.counters(
                "stripe_reads_total",
                "Objects read from Stripe for the inbox",
                &["outcome"],
            ),
            requests: make.counters(
                "http_requests_total",
                "Requests of the API, answered",
                &["method", "route", "status"],
            ),
            request_duration: make.histograms(
                "http_request_duration_seconds",
                "How long requests of the API took",
                &LONG,
                &["method", "route"],
            ),
            stored: Stored::new(&make),
            stripe_calls: make.counters(
                "stripe_calls_total",
                "Calls to Stripe, ended",
                &["account", "outcome"],
            ),
            stripe_call_duration: make.histograms(
                "stripe_call_duration_seconds",
                "How long calls to Stripe took",
                &LONG,
                &["account"],
            ),
            salesforce: OrgFamilies::new(&make),
            orgs: Mutex::default(),
            registry,
        };
        // A counter that begins at nothing is not seen to rise; all that can be counted begins at zero.
        for reason in REFUSALS {
            counted.webhooks_refused.with_label_values(&[reason]);
        }
        for kind in ["event", "record"] {
            counted.dead_letters.with_label_values(&[kind]);
        }
        for outcome in ["read", "missing", "failed"] {
            counted.reads.with_label_values(&[outcome]);
        }
        counted
    }
}

impl Stored {
    fn new(make: &Make<'_>) -> Self {
        Self {
            events_pending: make.gauge("events_pending", "Events stored and not mapped yet"),
            oldest_event_age: make
                .gauge("events_oldest_pending_age_seconds", "How long the oldest unmapped event has waited"),
            events_dead: make.gauge("events_dead", "Events that could not be mapped and wait for a person"),
            records: make.gauges(
                "records",
                "Records whose newest state is not in the org: pending, in_flight or dead",
                &["org", "state"],
            ),
            records_known: make
                .gauge("records_known", "Records that were ever heard of; an estimate on PostgreSQL"),
            oldest_record_age: make.gauges(
                "records_oldest_due_age_seconds",
                "How long the record that is due longest has been due",
                &["org"],
            ),
            objects_held: make.gauges(
                "objects_held",
                "Objects whose records wait until somebody mends something",
                &["org"],
            ),
            reads_pending: make.gauge("stripe_reads_pending", "Objects still to be read from Stripe"),
            calls_unknown: make
                .gauge("calls_unknown", "Creations and changes at Stripe whose outcome is not known"),
            oldest_unknown_call_age: make.gauge(
                "calls_oldest_unknown_age_seconds",
                "How long the oldest call with unknown outcome has waited for an answer",
            ),
            up: make.gauge("database_up", "1 if the database answered when this was asked for"),
        }
    }
}

impl OrgFamilies {
    fn new(make: &Make<'_>) -> Self {
        Self {
            delivered: make.counters("records_delivered_total", "Records that Salesforce accepted", &["org"]),
            retried: make.counters(
                "records_retried_total",
                "Records to be tried again, because of a passing failure or a missing parent",
                &["org", "reason"],
            ),
            delay: make.histograms(
                "delivery_delay_seconds",
                "From the moment a record was due to the moment Salesforce had accepted it",
                &LONG,
                &["org"],
            ),
            calls: make.counters("salesforce_calls_total", "Calls to the org, ended", &["org", "outcome"]),
            call_duration: make.histograms(
                "salesforce_call_duration_seconds",
                "How long calls to the org took",
                &LONG,
                &["org"],
            ),
            call_records: make.histograms(
                "salesforce_call_records",
                "Records of one call",
                &COUNTS,
                &["org"],
            ),
            sign_ins: make.counters("salesforce_sign_ins_total", "Sign-ins at the org", &["org", "outcome"]),
            requests_used: make.gauges(
                "salesforce_requests_used",
                "API requests of the org's rolling day that all its users have used",
                &["org"],
            ),
            requests_limit: make.gauges(
                "salesforce_requests_limit",
                "API requests that the org allows in a rolling day",
                &["org"],
            ),
            requests_left: make.gauges(
                "salesforce_requests_left",
                "API requests left until our share of the day is used up",
                &["org"],
            ),
            lane_open: make.gauges(
                "lane_open",
                "1 while the org takes records, 0 while delivery waits",
                &["org"],
            ),
            lane_needs_a_person: make.gauges(
                "lane_needs_a_person",
                "1 while delivery waits for something that a person has to mend",
                &["org"],
            ),
        }
    }

    fn of(&self, name: &str) -> Org {
        let org = &[name];
        let lane_open = self.lane_open.with_label_values(org);
        lane_open.set(1);
        self.calls.with_label_values(&[name, "unheard"]);
        for outcome in OUTCOMES {
            self.calls.with_label_values(&[name, outcome]);
            let signed_in = if outcome == "answered" { "signed_in" } else { outcome };
            self.sign_ins.with_label_values(&[name, signed_in]);
        }
        Org {
            name: name.to_owned(),
            delivered: self.delivered.with_label_values(org),
            retried: self.retried.with_label_values(&[name, "failure"]),
            waiting_for_parent: self.retried.with_label_values(&[name, "parent"]),
            delay: Times(self.delay.with_label_values(org)),
            call_records: Sizes(self.call_records.with_label_values(org)),
            calls: self.calls.clone(),
            call_duration: Times(self.call_duration.with_label_values(org)),
            sign_ins: self.sign_ins.clone(),
            requests_used: self.requests_used.with_label_values(org),
            requests_limit: self.requests_limit.with_label_values(org),
            requests_left: self.requests_left.with_label_values(org),
            lane_open,
            lane_needs_a_person: self.lane_needs_a_person.with_label_values(org),
            lane: Mutex::default(),
        }
    }
}

/// Makes metrics and registers them. Names, labels and buckets are written in this file, so none can be refused.
struct Make<'r>(&'r Registry);

impl Make<'_> {
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(named(name, help)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(named(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(named(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(named(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.register(Histogram::with_opts(bucketed(name, help, buckets)))
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> HistogramVec {
        self.register(HistogramVec::new(bucketed(name, help, buckets), labels))
    }

    fn register<M: Collector + Clone + 'static>(&self, made: prometheus::Result<M>) -> M {
        let metric = made.expect("names and labels are written here and follow the rules");
        self.0.register(Box::new(metric.clone())).expect("each name is written here once");
        metric
    }
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(format!("paybridge_{name}"), help)
}

fn bucketed(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::from(named(name, help)).buckets(buckets.to_vec())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_made_and_tells_its_unit() {
        let metrics = Metrics::default();
        metrics.org("main").called("answered", Duration::from_millis(3));
        metrics.account("main").called("answered", Duration::from_millis(3));
        let text = metrics.text().unwrap();
        let bounds = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(bounds("paybridge_salesforce_call_duration_seconds_bucket"), LONG.len() + 1, "{text}");
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(name.starts_with("paybridge_"), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        }
        assert!(
            text.contains(r#"paybridge_salesforce_calls_total{org="main",outcome="answered"} 1"#),
            "{text}"
        );
    }
}
