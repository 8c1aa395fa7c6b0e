//! The only place where the parts are put together, started and stopped.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{HttpServer, web};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{self, ApiState, Pipeline, Resolver};
use crate::auth::{Auth, UseRecorder};
use crate::bindings::{Guard, SALESFORCE, STRIPE};
use crate::clock::Clock;
use crate::config::{Config, MappingConfig};
use crate::connections::{self, Connections};
use crate::delivery::deliver::{Delivery, Parts};
use crate::mapping::{Faults, Mapping};
use crate::metrics::Metrics;
use crate::ops::{self, Ops};
use crate::pass::State;
use crate::reconcile::fetch::{Fetcher, Source};
use crate::salesforce::schema::Schema;
use crate::store::{self, Store, bindings};
use crate::webhooks::process::{Processor, Route};
use crate::webhooks::receive::{self, Account, Receiver};
use crate::webhooks::record::Recorder;
use crate::webhooks::retain::Retention;
use crate::worker::{self, Bell, Next, Step};
use crate::{salesforce, stripe};

/// How much longer than requests background work may go on.
const WORKERS_STOP: Duration = Duration::from_secs(1);

/// How long it may take to write down who used the API last.
const USES_STOP: Duration = Duration::from_millis(400);

/// How long the last commit may take after that.
const RECORDER_STOP: Duration = Duration::from_millis(400);

// Orchestrators kill after ten seconds, of which requests in flight have eight by default.
const _: () = assert!(
    WORKERS_STOP.as_millis() + USES_STOP.as_millis() + RECORDER_STOP.as_millis() <= 1_800,
    "stopping takes too long"
);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is not there or not as it should be.
    #[error("the database cannot be used")]
    Store(#[from] store::Error),
    /// The way to Stripe could not be prepared.
    #[error("the client for Stripe account `{0}` cannot be made")]
    Stripe(String, #[source] reqwest::Error),
    /// The way to Salesforce could not be prepared.
    #[error("the client for Salesforce org `{0}` cannot be made")]
    Salesforce(String, #[source] salesforce::Error),
    /// The mapping cannot be used.
    #[error(transparent)]
    Mapping(#[from] Faults),
    /// A file that describes the mapping or the org cannot be read.
    #[error("{0} cannot be read")]
    File(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The second address cannot be listened on.
    #[error("cannot listen on {0} (server.metrics_bind)")]
    MetricsBind(SocketAddr, #[source] std::io::Error),
    /// No keys can be made.
    #[error("the system has no random numbers")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// The machine refused a thread or a port.
    #[error("the machine refused what the service needs")]
    Machine(#[from] std::io::Error),
}

/// All parts, put together and not yet running.
#[derive(Debug)]
pub struct App {
    config: Config,
    clock: Clock,
    store: Store,
    receiver: Receiver,
    recorder_threads: Vec<std::thread::JoinHandle<()>>,
    pipeline: Arc<Pipeline>,
    auth: Arc<Auth>,
    steps: Steps,
    bells: Bells,
    metrics: Metrics,
    mapping: Arc<Mapping>,
    routes: Arc<BTreeMap<String, Route>>,
    stop: watch::Sender<bool>,
}

/// The background work, one of each kind or one for each org.
#[derive(Clone, Debug)]
pub struct Steps {
    processor: Arc<Processor>,
    fetcher: Arc<Fetcher>,
    resolver: Arc<Resolver>,
    deliveries: Vec<Arc<Delivery>>,
    uses: Arc<UseRecorder>,
    retention: Arc<Retention>,
    guard: Arc<Guard>,
}

#[derive(Clone, Debug, Default)]
struct Bells {
    inbox: Bell,
    fetching: Bell,
    outbox: Bell,
}

impl App {
    /// Opens the database, brings its tables up to date and prepares all parts. Blocks.
    pub fn assemble(config: Config, clock: Clock) -> Result<Self, Error> {
        let store = Store::open(&config.database.url, config.database.connections)?;
        let bells = Bells::default();
        let stop = watch::Sender::new(false);
        let metrics = Metrics::default();
        let (recorder, recorder_threads) = Recorder::start(&store, &bells.inbox, &metrics)?;
        let mapping = Arc::new(load_mapping(&config.mapping)?);
        tracing::info!(mapping.version = mapping.version(), "mapping {} in effect", mapping.version());
        let mut clients = BTreeMap::new();
        for (name, account) in &config.stripe {
            let client = stripe::Client::new(account).map_err(|error| Error::Stripe(name.clone(), error))?;
            clients.insert(name.clone(), client.counted_in(metrics.account(name)));
        }
        let mut orgs = BTreeMap::new();
        for (name, org) in &config.salesforce {
            let client = salesforce::Client::new(org, clock.clone())
                .map_err(|error| Error::Salesforce(name.clone(), error))?;
            orgs.insert(name.clone(), Arc::new(client.counted_in(metrics.org(name))));
        }
        let routes = routes(&config, &clients, &orgs);
        let all_bells = vec![bells.inbox.clone(), bells.fetching.clone(), bells.outbox.clone()];
        let guard = Guard::new(&config, &clients, &orgs, store.clone(), clock.clone(), all_bells)?;
        let deliveries = orgs
            .iter()
            .map(|(org, client)| {
                let parts = Parts {
                    org: org.clone(),
                    store: store.clone(),
                    client: Arc::clone(client),
                    config: config.delivery.clone(),
                    parents_first: mapping.parents_first(),
                    money: mapping.money_objects(),
                    notifying: mapping.notifying(),
                    clock: clock.clone(),
                    work: bells.outbox.clone(),
                    stop: stop.subscribe(),
                    fetching: bells.fetching.clone(),
                    metrics: metrics.clone(),
                };
                Arc::new(Delivery::new(parts))
            })
            .collect();
        let auth = Arc::new(Auth::new(&config.auth, store.clone(), clock.clone())?);
        let for_pipeline = clients
            .iter()
            .filter_map(|(name, client)| Some((name.clone(), (client.clone(), config.stripe.get(name)?))));
        let pipeline = Pipeline::start(for_pipeline.collect(), &store, &clock, &config.api)?;
        let steps = Steps {
            processor: Arc::new(
                Processor::new(
                    store.clone(),
                    Arc::clone(&mapping),
                    routes.clone(),
                    clock.clone(),
                    bells.outbox.clone(),
                    bells.fetching.clone(),
                )
                .counted_in(&metrics),
            ),
            fetcher: Arc::new(Fetcher::new(
                store.clone(),
                sources(&config, &clients),
                clock.clone(),
                bells.inbox.clone(),
                &metrics,
            )),
            resolver: Arc::new(Resolver::new(Arc::clone(&pipeline))),
            deliveries,
            uses: Arc::new(auth.recorder()),
            retention: Arc::new(Retention::new(store.clone(), config.retention.events, clock.clone())),
            guard: Arc::new(guard),
        };
        let receiver = Receiver {
            accounts: accounts(&config),
            recorder,
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        Ok(Self {
            config,
            clock,
            store,
            receiver,
            recorder_threads,
            pipeline,
            auth,
            steps,
            bells,
            metrics,
            mapping,
            routes: Arc::new(routes),
            stop,
        })
    }

    /// The store, for commands that look into it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Acknowledges events without storing them. Only for the benchmark, which wants to know what storing costs.
    pub fn storing_nothing(mut self) -> Self {
        self.receiver.recorder = Recorder::storing_nothing();
        self
    }

    /// Takes requests on `listener` and, if asked for, runs the background work. Returns at once.
    pub fn start(self, listener: TcpListener, background: Background) -> Result<Running, Error> {
        let address = listener.local_addr()?;
        let ops = web::Data::new(Ops {
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            mapping: self.mapping,
            accounts: self.routes,
            inbox: self.bells.inbox.clone(),
            outbox: self.bells.outbox.clone(),
            asking: Arc::default(),
        });
        let metrics = web::Data::new(self.metrics);
        let open_metrics =
            self.config.server.metrics_bind.map(|bind| serve_metrics(bind, &ops)).transpose()?;
        let receiver = web::Data::new(self.receiver);
        let ready = Arc::new(AtomicBool::new(true));
        let api = ApiState {
            pipeline: self.pipeline,
            orgs: orgs(&self.config),
            auth: self.auth,
            store: self.store.clone(),
            clock: self.clock.clone(),
            ready: Arc::clone(&ready),
        };
        let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let most = usize::try_from(self.config.server.max_connections).unwrap_or(usize::MAX);
        let open = Connections::watched();
        let server = HttpServer::new(move || {
            actix_web::App::new()
                .wrap(from_fn(api::answer))
                .wrap(from_fn(connections::watch))
                .app_data(receiver.clone())
                .app_data(ops.clone())
                .app_data(metrics.clone())
                .configure(receive::routes)
                .configure(ops::metrics::routes)
                .configure(api::routes(api.clone()))
        })
        .on_connect(move |io, data| open.opened(io, data))
        .workers(workers)
        // Of each worker. What is left of the descriptors is for the database, Stripe and the orgs.
        .max_connections(most.div_ceil(workers))
        .disable_signals()
        .shutdown_timeout(self.config.server.shutdown.as_secs())
        .listen(listener)?
        .run();
        let handle = server.handle();
        let server = tokio::spawn(server);
        let metrics_address = open_metrics.as_ref().map(|(address, _)| *address);
        let workers = match background {
            Background::Running => self.steps.spawn(&self.bells, &self.clock, &self.stop.subscribe()),
            Background::Stepped => Workers::default(),
        };
        Ok(Running {
            address,
            metrics_address,
            open_metrics: open_metrics.map(|(_, handle)| handle),
            ready,
            store: self.store,
            steps: self.steps,
            handle,
            shutdown: self.config.server.shutdown,
            server,
            stop: self.stop,
            workers,
            recorder_threads: self.recorder_threads,
        })
    }
}

/// A second server for `/metrics` alone. Gives where it listens, and the way to stop it.
fn serve_metrics(bind: SocketAddr, ops: &web::Data<Ops>) -> Result<(SocketAddr, ServerHandle), Error> {
    let taken = |error| Error::MetricsBind(bind, error);
    let listener = TcpListener::bind(bind).map_err(taken)?;
    let address = listener.local_addr()?;
    let ops = ops.clone();
    let server = HttpServer::new(move || {
        actix_web::App::new().app_data(ops.clone()).configure(ops::metrics::open_routes)
    });
    let server = server.workers(1).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok((address, handle))
}

/// Who drives the background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Loops of its own.
    Running,
    /// The caller, with [`Running::drain`].
    Stepped,
}

/// The service while it runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    open_metrics: Option<ServerHandle>,
    /// `/readyz` says so.
    ready: Arc<AtomicBool>,
    store: Store,
    steps: Steps,
    handle: ServerHandle,
    /// How long requests in flight may go on.
    shutdown: Duration,
    server: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    workers: Workers,
    recorder_threads: Vec<std::thread::JoinHandle<()>>,
}

/// What tells workers the time, and that it is over.
type Told<'a> = (&'a Clock, &'a watch::Receiver<bool>);

/// The background work.
#[derive(Debug, Default)]
struct Workers {
    deliveries: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is served to everybody, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The store, for whoever looks into it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Does all background work that is due, until there is none.
    pub async fn drain(&self) {
        self.steps.drain().await;
    }

    /// Stops taking requests, answers those in flight, ends the steps that have begun, and commits what was promised.
    pub async fn stop(self) {
        let told = Instant::now();
        self.ready.store(false, Ordering::SeqCst);
        // Nothing more is begun; what requests bring from now on is stored, and waits for the next start.
        let _no_worker_left = self.stop.send(true);
        self.handle.stop(true).await;
        if let Some(open_metrics) = self.open_metrics {
            open_metrics.stop(false).await;
        }
        if let Ok(Err(error)) = self.server.await {
            tracing::warn!(%error, "the HTTP server ended with an error");
        }
        match tokio::time::timeout(USES_STOP, self.steps.uses.record()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => tracing::warn!("the last uses of keys are not in the audit log"),
        }
        // Records of a call that is not heard of wait until its lease ends.
        let left = self.shutdown.saturating_sub(told.elapsed()) + WORKERS_STOP;
        let (deliveries, others) = tokio::join!(
            tokio::time::timeout(left, ended(self.workers.deliveries)),
            tokio::time::timeout(WORKERS_STOP, ended(self.workers.others))
        );
        if deliveries.is_err() {
            tracing::warn!("a call to Salesforce is still under way; its records will travel again");
        }
        if others.is_err() {
            tracing::warn!("background work was broken off; it is done after the next start");
        }
        // The handlers held the last senders, so the threads have committed everything and end, unless the database hangs.
        let join = || self.recorder_threads.into_iter().filter_map(|thread| thread.join().err()).count();
        let joined = tokio::task::spawn_blocking(join);
        if !matches!(tokio::time::timeout(RECORDER_STOP, joined).await, Ok(Ok(0))) {
            tracing::warn!("the recorder did not end well; what it had not committed was not acknowledged");
        }
    }
}

/// Waits for all of them.
async fn ended(workers: Vec<JoinHandle<()>>) {
    for worker in workers {
        if let Err(error) = worker.await {
            tracing::warn!(%error, "a worker ended badly");
        }
    }
}

impl Steps {
    fn spawn(&self, bells: &Bells, clock: &Clock, stop: &watch::Receiver<bool>) -> Workers {
        fn begin<S: Step>(step: &Arc<S>, bell: &Bell, (clock, stop): Told<'_>) -> JoinHandle<()> {
            worker::spawn(Arc::clone(step), bell.clone(), clock.clone(), stop.clone())
        }
        let told: Told<'_> = (clock, stop);
        // Nobody rings for the last ones: they look at the clock.
        let silent = Bell::default();
        Workers {
            deliveries: self.deliveries.iter().map(|one| begin(one, &bells.outbox, told)).collect(),
            others: vec![
                begin(&self.processor, &bells.inbox, told),
                begin(&self.fetcher, &bells.fetching, told),
                begin(&self.guard, &silent, told),
                begin(&self.uses, &silent, told),
                begin(&self.resolver, &silent, told),
                begin(&self.retention, &silent, told),
            ],
        }
    }

    async fn drain(&self) {
        loop {
            let mut worked = run_dry(&*self.guard).await;
            worked |= run_dry(&*self.processor).await | run_dry(&*self.fetcher).await;
            worked |= run_dry(&*self.uses).await;
            worked |= run_dry(&*self.resolver).await;
            run_dry(&*self.retention).await;
            for delivery in &self.deliveries {
                worked |= run_dry(&**delivery).await;
            }
            if !worked {
                return;
            }
        }
    }
}

/// Steps until there is nothing to do now. Says whether anything was done.
async fn run_dry<S: Step>(step: &S) -> bool {
    let mut worked = false;
    while step.step().await == Next::Again {
        worked = true;
    }
    worked
}

/// The mapping that the settings ask for, proven against the metadata they name.
pub fn load_mapping(settings: &MappingConfig) -> Result<Mapping, Error> {
    let unreadable = |file: &Path, error: Box<dyn std::error::Error + Send + Sync>| {
        Error::File(file.display().to_string(), error)
    };
    let mut schema =
        Schema::package().map_err(|error| unreadable(Path::new("the package in apex/"), error.into()))?;
    if let Some(directory) = &settings.metadata {
        schema.add_directory(directory).map_err(|error| unreadable(directory, error.into()))?;
    }
    let own = own_mapping(settings)?;
    Ok(Mapping::load(own.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), &schema)?)
}

/// The user's own mapping: its name and text.
pub fn own_mapping(settings: &MappingConfig) -> Result<Option<(String, String)>, Error> {
    let Some(file) = &settings.file else { return Ok(None) };
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some((name, text))),
        Err(error) => Err(Error::File(name, error.into())),
    }
}

/// What the operators' side needs, without the service: for commands that look and replay beside it. Blocks.
pub fn operators(config: &Config) -> Result<Ops, Error> {
    let metrics = Metrics::default();
    config.salesforce.keys().for_each(|org| drop(metrics.org(org)));
    let store = Store::open(&config.database.url, 2)?;
    let routes = routes(config, &BTreeMap::new(), &BTreeMap::new());
    // No traffic of its own, so whoever is bound is believed.
    for bound in store.read_blocking(bindings::list)? {
        for (account, route) in &routes {
            let identity = State::Open(bound.identity.as_str().into());
            match bound.party.as_str() {
                STRIPE if bound.name == *account => drop(route.account_pass.set(identity)),
                SALESFORCE if bound.name == route.org => drop(route.org_pass.set(identity)),
                _ => {}
            }
        }
    }
    Ok(Ops {
        store,
        clock: Clock::system(),
        metrics,
        mapping: Arc::new(load_mapping(&config.mapping)?),
        accounts: Arc::new(routes),
        inbox: Bell::default(),
        outbox: Bell::default(),
        asking: Arc::default(),
    })
}

fn accounts(config: &Config) -> BTreeMap<String, Account> {
    let account = |settings: &crate::config::StripeConfig| Account {
        webhook_secrets: settings.webhook_secrets.clone(),
        mode: settings.mode(),
    };
    config.stripe.iter().map(|(name, settings)| (name.clone(), account(settings))).collect()
}

fn orgs(config: &Config) -> BTreeMap<String, String> {
    config.stripe.iter().map(|(name, settings)| (name.clone(), settings.org.clone())).collect()
}

fn routes(
    config: &Config,
    clients: &BTreeMap<String, stripe::Client>,
    orgs: &BTreeMap<String, Arc<salesforce::Client>>,
) -> BTreeMap<String, Route> {
    let route = |(name, settings): (&String, &crate::config::StripeConfig)| {
        let route = Route {
            org: settings.org.clone(),
            api_version: settings.api_version.clone(),
            account_pass: clients.get(name).map(|client| client.pass().clone()).unwrap_or_default(),
            org_pass: orgs.get(&settings.org).map(|client| client.pass().clone()).unwrap_or_default(),
        };
        (name.clone(), route)
    };
    config.stripe.iter().map(route).collect()
}

fn sources(config: &Config, clients: &BTreeMap<String, stripe::Client>) -> BTreeMap<String, Source> {
    let source = |name: &String, client: &stripe::Client| {
        let settings = config.stripe.get(name)?;
        let (api_version, mode) = (settings.api_version.clone(), settings.mode());
        Some((name.clone(), Source { client: client.clone(), api_version, mode }))
    };
    clients.iter().filter_map(|(name, client)| source(name, client)).collect()
}
