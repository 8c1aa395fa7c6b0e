//! Who may call: keys, certificates and tokens, limits, and the record of their use.
//!
//! It knows nothing of HTTP: `api` reads what was sent and turns a [`Refusal`] into an answer.

mod assertion;
mod callers;
pub mod certificate;
mod keys;
mod limits;
mod scope;
mod tokens;
mod uses;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use callers::{Callers, Directory, Known};
pub use keys::{issue, issue_known, new_secret};
use limits::{Failures, Rate};
pub use scope::Scope;
use tokens::Tokens;
pub use uses::UseRecorder;
use uses::Uses;

use crate::clock::{Clock, unix_ms};
use crate::config::AuthConfig;
use crate::store::{self, Store, assertions};

/// Whoever sent a request, proven.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The id of the key; safe to log.
    pub key_id: String,
    /// The only Stripe account it may use, if it is bound to one.
    pub account: Option<String>,
    /// The only org whose accounts it may use, if it is bound to one.
    pub org: Option<String>,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Whether the caller may do this. Who may write may read, as with Stripe's own keys.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.covers(scope))
    }
}

/// Why somebody is not let in.
#[derive(Debug)]
pub enum Refusal {
    /// Unknown, withdrawn or wrong; which of these is not told.
    Unknown,
    /// It was good once: the text says what has ended.
    Expired(&'static str),
    /// Too many wrong attempts came from there. Who has the right secret is let in all the same.
    TooManyFailures(Duration),
    /// The caller used up its share.
    TooManyRequests(Duration),
    /// A well-signed assertion that is wrong otherwise.
    Assertion(&'static str),
    /// A scope that nobody has, or not this caller.
    Scope(String),
    /// The database does not answer.
    Store(store::Error),
    /// No token could be signed.
    Signing(jsonwebtoken::errors::Error),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// How somebody proves to be a caller, to get a token.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// The two parts of an API key.
    Secret {
        /// The key's id.
        id: &'a str,
        /// Its secret part.
        secret: &'a str,
    },
    /// An assertion signed with a trusted certificate's key, by the caller about anybody.
    Assertion(&'a str),
    /// The same by the caller about itself.
    OwnAssertion(&'a str),
}

/// A token, fresh.
#[derive(Debug)]
pub struct Issued {
    /// To be sent as `Bearer`.
    pub token: SecretString,
    /// How long it is good.
    pub seconds: i64,
    /// What it is good for, separated by spaces.
    pub scope: String,
}

/// Everything that decides who may call; one for the whole process.
pub struct Auth {
    store: Store,
    clock: Clock,
    directory: Directory,
    tokens: Tokens,
    rate: Rate,
    failures: Failures,
    uses: Arc<Uses>,
    audience: String,
    /// `source_header` of the configuration.
    pub source_header: Option<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl Auth {
    /// Errors: when the system has no random numbers.
    pub fn new(
        config: &AuthConfig,
        store: Store,
        clock: Clock,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            directory: Directory::new(store.clone(), clock.clone()),
            tokens: Tokens::new(config)?,
            rate: Rate::per_minute(config.requests_per_minute),
            failures: Failures::new(config.failures_per_minute),
            uses: Arc::default(),
            audience: config.audience.clone(),
            source_header: config.source_header.clone(),
            store,
            clock,
        })
    }

    /// The background work that writes down who used what.
    pub fn recorder(&self) -> UseRecorder {
        UseRecorder::new(self.store.clone(), self.clock.clone(), Arc::clone(&self.uses))
    }

    /// Finds the caller by an API key or an access token, and counts the request.
    pub async fn authenticate(&self, bearer: &str, source: Option<IpAddr>) -> Result<Caller, Refusal> {
        let (caller, known) = match bearer.strip_prefix("pb_").and_then(|rest| rest.split_once('_')) {
            Some((id, secret)) => {
                let callers = self.by_secret(id, secret, source).await?;
                let known = callers.find(id).ok_or(Refusal::Unknown)?.clone();
                (known.caller(), known)
            }
            None => self.by_token(bearer).await?,
        };
        if let Err(wait) = self.rate.take(&known.taken, self.now_us()) {
            self.uses.refused(&known.key.id, self.now_ms());
            return Err(Refusal::TooManyRequests(wait));
        }
        self.uses.request(&known.key.id, self.now_ms());
        Ok(caller)
    }

    /// Makes an access token for whoever proves to be a caller. `scope` asks for a part of what the caller may do.
    pub async fn token(
        &self,
        proof: Proof<'_>,
        scope: Option<&str>,
        source: Option<IpAddr>,
    ) -> Result<Issued, Refusal> {
        let known = match proof {
            Proof::Secret { id, secret } => {
                let callers = self.by_secret(id, secret, source).await?;
                callers.find(id).ok_or(Refusal::Unknown)?.clone()
            }
            Proof::Assertion(text) => self.by_assertion(text, false, source).await?,
            Proof::OwnAssertion(text) => self.by_assertion(text, true, source).await?,
        };
        let now_ms = self.now_ms();
        if let Err(wait) = self.rate.take(&known.taken, self.now_us()) {
            self.uses.refused(&known.key.id, now_ms);
            return Err(Refusal::TooManyRequests(wait));
        }
        let scopes = narrowed(&known, scope)?;
        let scope = scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ");
        let issued = self
            .tokens
            .issue(&known.key.id, scope, now_ms / 1_000, known.key.expires_at.map(|end| end / 1_000))
            .map_err(Refusal::Signing)?;
        self.uses.token(&known.key.id, now_ms);
        Ok(issued)
    }

    /// Notes that a known caller asked for what it may not do.
    pub fn refused(&self, caller: &Caller) {
        self.uses.refused(&caller.key_id, self.now_ms());
    }

    /// The callers among whom this one is, with the right secret.
    ///
    /// An unknown id and a wrong secret take the same way, so that nobody finds out by the time which ids there are.
    async fn by_secret(
        &self,
        id: &str,
        secret: &str,
        source: Option<IpAddr>,
    ) -> Result<Arc<Callers>, Refusal> {
        let callers = self.directory.fresh().await?;
        match callers.prove(id, secret, self.now_ms()) {
            Ok(()) => return Ok(callers),
            Err(Refusal::Unknown) => {}
            Err(other) => return Err(other),
        }
        // Perhaps the key is newer than what we know. Who tried too often is not looked up again.
        self.failures.allowed(source, self.now_us())?;
        let callers = self.directory.reloaded().await?;
        match callers.prove(id, secret, self.now_ms()) {
            Ok(()) => Ok(callers),
            Err(Refusal::Unknown) => Err(self.failed(&callers, Some(id), source)),
            Err(other) => Err(other),
        }
    }

    async fn by_token(&self, token: &str) -> Result<(Caller, Arc<Known>), Refusal> {
        let claims = self.tokens.verify(token, self.now_ms() / 1_000)?;
        let callers = self.directory.fresh().await?;
        // A key that was withdrawn takes its tokens with it. One made by another process a moment ago may be new to us.
        let known = match callers.find(&claims.sub) {
            Some(known) => known.clone(),
            None => self.directory.reloaded().await?.find(&claims.sub).ok_or(Refusal::Unknown)?.clone(),
        };
        let mut caller = known.caller();
        let granted: Vec<_> = claims.scope.split(' ').filter_map(Scope::parse).collect();
        caller.scopes = granted.into_iter().filter(|scope| known.may(*scope)).collect();
        Ok((caller, known))
    }

    async fn by_assertion(
        &self,
        text: &str,
        own: bool,
        source: Option<IpAddr>,
    ) -> Result<Arc<Known>, Refusal> {
        let now_s = self.now_ms() / 1_000;
        let callers = self.directory.fresh().await?;
        let mut found = assertion::verify(&callers, text, &self.audience, now_s);
        if matches!(found, Err(Refusal::Unknown)) {
            self.failures.allowed(source, self.now_us())?;
            let callers = self.directory.reloaded().await?;
            found = assertion::verify(&callers, text, &self.audience, now_s);
        }
        let (known, claims) = match found {
            Err(Refusal::Unknown) => return Err(self.failed(&callers, None, source)),
            other => other?,
        };
        if own && claims.sub.as_deref() != Some(claims.iss.as_str()) {
            return Err(Refusal::Assertion("`sub` has to be the client id, as `iss`"));
        }
        if let Some(id) = claims.once() {
            let (until_ms, now_ms) = (claims.forgotten_after() * 1_000, self.now_ms());
            let first = self.store.write(move |conn| assertions::take(conn, &id, until_ms, now_ms)).await?;
            if !first {
                return Err(Refusal::Assertion("its `jti` was used before"));
            }
        }
        Ok(known)
    }

    fn failed(&self, callers: &Callers, id: Option<&str>, source: Option<IpAddr>) -> Refusal {
        self.failures.count(source, self.now_us());
        let known = id.filter(|id| callers.find(id).is_some());
        self.uses.failed(known, self.now_ms());
        Refusal::Unknown
    }

    fn now_ms(&self) -> i64 {
        unix_ms(self.clock.now())
    }

    fn now_us(&self) -> i64 {
        self.now_ms() * 1_000
    }
}

/// The scopes asked for, or all that the caller has.
fn narrowed(known: &Known, asked: Option<&str>) -> Result<Vec<Scope>, Refusal> {
    let Some(asked) = asked.map(str::trim).filter(|asked| !asked.is_empty()) else {
        return Ok(known.scopes.clone());
    };
    let mut scopes = Vec::new();
    for name in asked.split_ascii_whitespace() {
        let Some(scope) = Scope::parse(name) else {
            let known = Scope::ALL.map(Scope::name).join(" ");
            return Err(Refusal::Scope(format!("scopes are {known}")));
        };
        if !known.may(scope) {
            return Err(Refusal::Scope(format!("the client does not have the scope {scope}")));
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::store::api_keys;

    /// The fastest of many: what it costs when the machine does nothing else.
    async fn fastest<F: Future>(mut check: impl FnMut() -> F) -> Duration {
        let mut best = Duration::MAX;
        for _ in 0..2_000 {
            let began = Instant::now();
            check().await;
            best = best.min(began.elapsed());
        }
        best
    }

    /// Unoptimised, so with much to spare in a release.
    #[tokio::test]
    async fn finding_the_caller_costs_no_query_and_next_to_no_time() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("auth.db").display());
        let store = Store::open(&SecretString::from(url), 2).unwrap();
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let (key, token) = issue("measured", &Scope::ALL, clock.now(), None).unwrap();
        let id = key.id.clone();
        store.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        let config = AuthConfig {
            token_secrets: vec![SecretString::from("0123456789abcdef0123456789abcdef")],
            audience: "paybridge".to_owned(),
            token_life: Duration::from_secs(900),
            requests_per_minute: 1_000_000,
            failures_per_minute: 60,
            source_header: None,
        };
        let auth = Auth::new(&config, store, clock).unwrap();
        let key = token.expose_secret();
        let secret = key.rsplit('_').next().unwrap();
        let issued = auth.token(Proof::Secret { id: &id, secret }, None, None).await.unwrap();
        for (what, bearer) in [("API key", key), ("access token", issued.token.expose_secret())] {
            let took = fastest(|| async { auth.authenticate(bearer, None).await.unwrap() }).await;
            assert!(took < Duration::from_micros(50), "{what}: {took:?}");
        }
    }
}
