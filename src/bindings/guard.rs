//! Finds out who answers, compares it with who is bound, and opens or closes the way to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::judge::{Found, Judged, judge, wrong_environment};
use super::{SALESFORCE, STRIPE};
use crate::backoff;
use crate::clock::{Clock, from_unix_ms, unix_ms};
use crate::config::{Config, Mode};
use crate::pass::{Pass, State};
use crate::store::bindings::{self, Binding};
use crate::store::stops::{self, Stop};
use crate::store::{self, Conn, Store};
use crate::worker::{Bell, Next, Step};
use crate::{salesforce, stripe};

/// Longest first wait after somebody did not answer, and the longest wait at all.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How often it is looked whether a person has confirmed a change, and the first wait before the party is asked again that
/// answered and was not let through; it doubles up to the longest.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Guards all accounts and orgs of a service.
#[derive(Debug)]
pub struct Guard {
    store: Store,
    accounts: BTreeMap<String, Account>,
    orgs: BTreeMap<String, Org>,
    clock: Clock,
    /// They ring when traffic may go on.
    bells: Vec<Bell>,
    waits: Mutex<BTreeMap<(&'static str, String), Wait>>,
}

#[derive(Debug)]
struct Account {
    client: stripe::Client,
    mode: Mode,
    key_hash: String,
}

#[derive(Debug)]
struct Org {
    client: Arc<salesforce::Client>,
    /// The accounts whose records go there.
    accounts: Vec<(String, Mode)>,
}

#[derive(Clone, Debug, Default)]
struct Wait {
    /// Tries in a row without an answer, and answers in a row that did not open the way.
    failures: u32,
    answers: u32,
    /// When it is looked who is bound, and when the party is asked at the latest.
    look_ms: i64,
    ask_ms: i64,
    /// What was said of it when it was asked last; asked at once when it is something else.
    said: Option<Said>,
    /// Whether people were told that somebody has to act.
    alerted: bool,
    /// Who the way was open to. Should that one go on answering after another was confirmed elsewhere, only this process is
    /// behind the times.
    had: Option<Arc<str>>,
    outdated: bool,
}

/// Who is bound, as what, and since when.
type Said = (String, String, i64);

fn said(bound: &Binding) -> Said {
    (bound.identity.clone(), bound.kind.clone(), bound.bound_at)
}

/// By what a key is known again without being kept.
pub fn hash(key: &SecretString) -> String {
    hex::encode(&Sha256::digest(key.expose_secret())[..16])
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Test => "test",
        Mode::Live => "live",
    }
}

impl Guard {
    /// Takes the passes of all clients into its hand. What was bound before is open at once; an account with another key than
    /// before, once it is known whose key that is. `bells` ring when traffic may go on. Blocks.
    pub fn new(
        config: &Config,
        clients: &BTreeMap<String, stripe::Client>,
        orgs: &BTreeMap<String, Arc<salesforce::Client>>,
        store: Store,
        clock: Clock,
        bells: Vec<Bell>,
    ) -> store::Result<Self> {
        let account = |(name, client): (&String, &stripe::Client)| {
            let settings = config.stripe.get(name)?;
            let (mode, key_hash) = (settings.mode(), hash(&settings.secret_key));
            Some((name.clone(), Account { client: client.clone(), mode, key_hash }))
        };
        let accounts: BTreeMap<_, _> = clients.iter().filter_map(account).collect();
        let org = |(name, client): (&String, &Arc<salesforce::Client>)| {
            let accounts = config.stripe.iter().filter(|(_, settings)| settings.org == *name);
            let accounts = accounts.map(|(name, settings)| (name.clone(), settings.mode())).collect();
            (name.clone(), Org { client: Arc::clone(client), accounts })
        };
        let orgs = orgs.iter().map(org).collect();
        let guard = Self { store, accounts, orgs, clock, bells, waits: Mutex::default() };
        let bound = guard.store.read_blocking(bindings::list)?;
        guard.take_over(&bound);
        Ok(guard)
    }

    fn take_over(&self, bound: &[Binding]) {
        let of = |party: &str, name: &str| bound.iter().find(|b| b.party == party && b.name == name);
        for (name, account) in &self.accounts {
            let state = match of(STRIPE, name) {
                Some(bound) if bound.other.is_none() && bound.key_hash == account.key_hash => {
                    State::Open(bound.identity.as_str().into())
                }
                Some(_) => State::Closed("the key is new; it is not known yet whose it is".into()),
                None => State::Unknown,
            };
            self.open_to(STRIPE, name, &state);
            account.client.pass().set(state);
        }
        for (name, org) in &self.orgs {
            let state = match of(SALESFORCE, name) {
                Some(bound) if bound.other.is_none() => org.state(name, &bound.identity, &bound.kind),
                _ => State::Unknown,
            };
            if let State::Closed(why) = &state {
                tracing::error!("traffic with salesforce.{name} is stopped; nothing is lost: {why}");
            }
            self.open_to(SALESFORCE, name, &state);
            org.client.pass().set(state);
        }
    }

    fn open_to(&self, party: &'static str, name: &str, state: &State) {
        if let State::Open(identity) = state {
            self.wait(party, name, Wait { had: Some(Arc::clone(identity)), ..self.waiting(party, name) });
        }
    }

    async fn look(&self) -> bool {
        let mut opened = false;
        for (name, account) in &self.accounts {
            let pass = account.client.pass();
            if !matches!(pass.state(), State::Open(_)) && self.is_due(STRIPE, name) {
                let result = self.look_at_account(name, account).await;
                opened |= self.note(STRIPE, name, pass, result);
            }
        }
        for (name, org) in &self.orgs {
            let pass = org.client.pass();
            if !matches!(pass.state(), State::Open(_)) && self.is_due(SALESFORCE, name) {
                let result = self.look_at_org(name, org).await;
                let stopped = match self.waiting(SALESFORCE, name).outdated {
                    true => Stopped::AsBefore,
                    false => why_stopped(&result),
                };
                opened |= self.note(SALESFORCE, name, pass, result);
                self.show(name, stopped).await;
            }
        }
        opened
    }

    /// Asks Stripe whose key it is, unless it is too soon to ask again. If it was another's, the right one may be back.
    async fn look_at_account(&self, name: &str, account: &Account) -> Result<Option<State>, Failed> {
        let bound = self.bound(STRIPE, name).await?;
        if !self.may_ask(STRIPE, name, bound.as_ref()) {
            return Ok(None);
        }
        let identity = match account.client.account().await {
            Ok(identity) => identity.0,
            // A restricted key may not ask. Then nothing can be compared, and nothing is stopped.
            Err(stripe::Error::Rejected(refusal)) if refusal.status == 403 && bound.is_none() => {
                return Ok(Some(State::Unguarded));
            }
            Err(error) => return Err(Failed::party(&error, error.is_retryable())),
        };
        let found = Found { identity, kind: mode_name(account.mode).to_owned() };
        self.compare(STRIPE, name, bound, found, &account.key_hash).await.map(|judged| match judged {
            Ok(bound) => Some(State::Open(bound.identity.as_str().into())),
            Err(why) => Some(State::Closed(why.into())),
        })
    }

    /// Asks the org who it is, unless it is too soon to ask again. If it was another one, the right one may be back.
    async fn look_at_org(&self, name: &str, org: &Org) -> Result<Option<State>, Failed> {
        let bound = self.bound(SALESFORCE, name).await?;
        if !self.may_ask(SALESFORCE, name, bound.as_ref()) {
            return Ok(None);
        }
        let identity = match org.client.identity().await {
            Ok(identity) => identity,
            Err(error) => return Err(Failed::party(&error, error.is_retryable())),
        };
        let kind = if identity.is_sandbox { "sandbox" } else { "production" };
        let found = Found { identity: identity.org_id, kind: kind.to_owned() };
        self.compare(SALESFORCE, name, bound, found, "").await.map(|judged| match judged {
            Ok(bound) => Some(org.state(name, &bound.identity, &bound.kind)),
            Err(why) => Some(State::Closed(why.into())),
        })
    }

    /// Whether the party may be asked now: when its wait is over, or something else is said of it than before.
    fn may_ask(&self, party: &'static str, name: &str, bound: Option<&Binding>) -> bool {
        let (mut wait, bound) = (self.waiting(party, name), bound.map(said));
        if wait.said == bound {
            return wait.ask_ms <= unix_ms(self.clock.now());
        }
        wait = Wait { said: bound, had: wait.had, ..Wait::default() };
        self.wait(party, name, wait);
        true
    }

    async fn bound(&self, party: &'static str, name: &str) -> Result<Option<Binding>, Failed> {
        let name = name.to_owned();
        Ok(self.store.read(move |conn| bindings::find(conn, party, &name)).await?)
    }

    /// Writes down what came of it. Gives who is bound now, or why nothing may move.
    async fn compare(
        &self,
        party: &'static str,
        name: &str,
        bound: Option<Binding>,
        found: Found,
        key_hash: &str,
    ) -> Result<Result<Binding, String>, Failed> {
        let (of, name, key_hash) = (name, name.to_owned(), key_hash.to_owned());
        let now_ms = unix_ms(self.clock.now());
        let judged = judge(bound.as_ref(), &found);
        let wait = self.waiting(party, of);
        let outdated =
            matches!(judged, Judged::Another) && wait.had.as_deref() == Some(found.identity.as_str());
        self.wait(party, of, Wait { outdated, ..wait });
        if let Some(bound) = bound.as_ref().filter(|_| outdated) {
            return Ok(Err(format!(
                "this process still reaches {}, and {party}.{of} was given to {} elsewhere: start it again with the \
                 settings of that one, or, if {} is right after all, as it is, and confirm that one",
                found.identity, bound.identity, found.identity
            )));
        }
        let write = move |conn: &mut Conn| match (judged, bound) {
            (Judged::Same, Some(bound)) => {
                let still = bindings::answered(conn, &bound, &key_hash)?;
                Ok(still.then_some(Ok(bound)))
            }
            (Judged::Another, Some(bound)) => {
                let Found { identity, kind } = found;
                let still = bindings::another_answered(conn, &bound, (&identity, &kind), now_ms)?;
                let (other, other_kind) = (Some(identity), Some(kind));
                let why = another(&Binding { other, other_kind, ..bound }).unwrap_or_default();
                Ok(still.then_some(Err(why)))
            }
            _ => {
                let Found { identity, kind } = found;
                let (other, other_kind, other_at) = (None, None, None);
                let binding = Binding {
                    party: party.to_owned(),
                    name: name.clone(),
                    identity,
                    kind,
                    key_hash,
                    bound_at: now_ms,
                    other,
                    other_kind,
                    other_at,
                };
                bindings::bind(conn, &binding)?;
                // Another process may have been first.
                Ok(Some(Ok(bindings::find(conn, party, &name)?.unwrap_or(binding))))
            }
        };
        let Some(judged) = self.store.write(write).await? else {
            let text = "another one was confirmed while it was asked".to_owned();
            return Err(Failed::Party { text, needs_person: false });
        };
        if let Ok(bound) = &judged {
            let said = Some(said(bound));
            self.wait(party, of, Wait { said, ..self.waiting(party, of) });
        }
        Ok(judged)
    }

    /// Sets the pass, tells people what they have to know, and says whether traffic may go on now.
    fn note(
        &self,
        party: &'static str,
        name: &str,
        pass: &Pass,
        result: Result<Option<State>, Failed>,
    ) -> bool {
        let now_ms = unix_ms(self.clock.now());
        let mut wait = self.waiting(party, name);
        match result {
            Ok(None) => {
                wait.look_ms = wait.ask_ms.min(now_ms + ms(LOOK_AGAIN));
                self.wait(party, name, wait);
                false
            }
            Ok(Some(state)) => {
                let longer = LOOK_AGAIN.saturating_mul(1 << wait.answers.min(31)).min(BACKOFF.1);
                wait.look_ms = now_ms + ms(LOOK_AGAIN);
                wait.ask_ms = now_ms + ms(longer);
                (wait.failures, wait.alerted) = (0, false);
                wait.answers = if matches!(state, State::Open(_)) { 0 } else { wait.answers + 1 };
                // Nobody else shows it: the others may be at work.
                let outdated = wait.outdated;
                self.wait(party, name, wait);
                self.open_to(party, name, &state);
                let is_news = pass.set(state.clone());
                if !is_news && !outdated {
                    return false;
                }
                match state {
                    State::Open(identity) => {
                        tracing::info!(%identity, "{party}.{name} is {identity}");
                        true
                    }
                    State::Closed(why) => {
                        tracing::error!("traffic with {party}.{name} is stopped; nothing is lost: {why}");
                        false
                    }
                    State::Unguarded => {
                        tracing::warn!(
                            "the key of {party}.{name} may not read its account: Stripe_Account__c stays empty, and nobody notices if the key is exchanged for another account's"
                        );
                        true
                    }
                    State::Unknown => false,
                }
            }
            Err(error) => {
                let failures = wait.failures + 1;
                let longer = backoff::wait(failures, BACKOFF.0, BACKOFF.1, fastrand::u64(..));
                let until_ms = now_ms + ms(longer) + 1;
                (wait.failures, wait.ask_ms) = (failures, until_ms);
                wait.look_ms = until_ms.min(now_ms + ms(LOOK_AGAIN));
                let until = from_unix_ms(until_ms);
                let alert = !wait.alerted && matches!(error, Failed::Party { needs_person: true, .. });
                wait.alerted |= alert;
                self.wait(party, name, wait);
                if alert {
                    tracing::error!(%until, "nothing moves until somebody mends this: it is not known yet who {party}.{name} is: {error}");
                } else if failures == 1 {
                    tracing::warn!(%until, "it is not known yet who {party}.{name} is: {error}");
                } else {
                    tracing::debug!(failures, %until, "it is not known yet who {party}.{name} is: {error}");
                }
                false
            }
        }
    }

    /// Shows operators what keeps records from being sent: nothing reaches the lane that could say so.
    async fn show(&self, name: &str, stopped: Stopped) {
        let (org, since) = (name.to_owned(), unix_ms(self.clock.now()));
        let next_try = self.waiting(SALESFORCE, name).ask_ms;
        let written = match stopped {
            Stopped::Because(reason, needs_person) => {
                let stop = Stop { org, sobject: String::new(), since, next_try, needs_person, reason };
                self.store.write(move |conn| stops::put(conn, &stop)).await
            }
            Stopped::Over => self.store.write(move |conn| stops::end(conn, &org, &[String::new()])).await,
            Stopped::AsBefore => Ok(()),
        };
        if let Err(error) = written {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the state of salesforce.{name} was not written down");
        }
    }

    fn waiting(&self, party: &'static str, name: &str) -> Wait {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.get(&(party, name.to_owned())).cloned().unwrap_or_default()
    }

    fn wait(&self, party: &'static str, name: &str, wait: Wait) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.insert((party, name.to_owned()), wait);
    }

    fn is_due(&self, party: &'static str, name: &str) -> bool {
        self.waiting(party, name).look_ms <= unix_ms(self.clock.now())
    }
}

impl Org {
    /// Whether records may go there, as far as environments are concerned.
    fn state(&self, name: &str, identity: &str, kind: &str) -> State {
        let wrong =
            self.accounts.iter().find_map(|(account, mode)| wrong_environment(account, *mode, name, kind));
        match wrong {
            Some(why) => State::Closed(why.into()),
            None => State::Open(identity.into()),
        }
    }
}

impl Step for Guard {
    fn name(&self) -> &'static str {
        "guard"
    }

    async fn step(&self) -> Next {
        if self.look().await {
            self.bells.iter().for_each(Bell::ring);
            return Next::Again;
        }
        Next::Idle
    }
}

/// Why it is not known who answers.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("{text}")]
    Party { text: String, needs_person: bool },
}

impl Failed {
    fn party(error: &dyn std::error::Error, passes: bool) -> Self {
        Self::Party { text: error.to_string(), needs_person: !passes }
    }
}

/// What keeps records from being sent to an org, as far as it lies in who answers.
enum Stopped {
    /// Why, and whether a person has to act.
    Because(String, bool),
    /// Nothing does any more.
    Over,
    /// It is as it was.
    AsBefore,
}

fn why_stopped(result: &Result<Option<State>, Failed>) -> Stopped {
    match result {
        Ok(Some(State::Open(_))) => Stopped::Over,
        Ok(Some(State::Closed(why))) => Stopped::Because(why.as_ref().to_owned(), true),
        Err(Failed::Party { text, needs_person }) => {
            Stopped::Because(format!("it is not known yet which org this is: {text}"), *needs_person)
        }
        Ok(None | Some(State::Unknown | State::Unguarded)) | Err(Failed::Store(_)) => Stopped::AsBefore,
    }
}

/// That another one answers than the one who is bound, if one does.
fn another(bound: &Binding) -> Option<String> {
    let (other, kind) = (bound.other.as_ref()?, bound.other_kind.as_ref()?);
    let Binding { party, name, identity, kind: bound_kind, .. } = bound;
    Some(format!(
        "{party}.{name} is bound to {identity} ({bound_kind}), and {other} ({kind}) answers; if that is right, say \
         `paybridge bindings confirm {party}.{name}`"
    ))
}

fn ms(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
