//! All callers, read from the store every few seconds, so that a request costs no query.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::DecodingKey;
use subtle::ConstantTimeEq;

use super::keys::hash;
use super::{Caller, Refusal, Scope, certificate};
use crate::clock::{Clock, unix_ms};
use crate::store::api_keys::{self, ApiKey};
use crate::store::certificates::{self, Certificate};
use crate::store::{self, Store};

/// What another process changed counts here after so many milliseconds at the latest.
const STALE_AFTER_MS: i64 = 5_000;

/// Compared when there is nothing else to compare: as long as a hash, and the hash of nothing.
const NO_HASH: &str = "----------------------------------------------------------------";

/// One caller, with what decides about it.
pub(super) struct Known {
    pub(super) key: ApiKey,
    pub(super) scopes: Vec<Scope>,
    pub(super) signers: Vec<Signer>,
    /// How much of its share it has used; stays when the rest is read anew.
    pub(super) taken: Arc<AtomicI64>,
}

/// A certificate that signs for a caller.
pub(super) struct Signer {
    pub(super) key: DecodingKey,
    pub(super) expires_at_ms: i64,
}

impl Known {
    pub(super) fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.covers(scope))
    }

    pub(super) fn caller(&self) -> Caller {
        Caller {
            key_id: self.key.id.clone(),
            account: self.key.account.clone(),
            org: self.key.org.clone(),
            scopes: self.scopes.clone(),
        }
    }

    pub(super) fn expired(&self, now_ms: i64) -> bool {
        self.key.expires_at.is_some_and(|end| end <= now_ms)
    }
}

/// All callers as they were at one moment.
#[derive(Default)]
pub(super) struct Callers {
    known: HashMap<String, Arc<Known>>,
    /// Which reading this is.
    reading: u64,
    read_at_ms: i64,
}

impl Callers {
    pub(super) fn find(&self, id: &str) -> Option<&Arc<Known>> {
        self.known.get(id)
    }

    /// Whether the secret is the caller's. Compares as much for an unknown id as for a wrong secret.
    pub(super) fn prove(&self, id: &str, secret: &str, now_ms: i64) -> Result<(), Refusal> {
        let known = self.find(id);
        let sent = hash(secret);
        let same = |stored: Option<&str>| sent.as_bytes().ct_eq(stored.unwrap_or(NO_HASH).as_bytes());
        let overlaps = known.is_some_and(|k| k.key.previous_until.is_some_and(|until| now_ms < until));
        let previous = known.and_then(|known| known.key.previous_hash.as_deref()).filter(|_| overlaps);
        let right = same(known.map(|known| known.key.hash.as_str())) | same(previous);
        match known {
            Some(known) if right.into() && known.expired(now_ms) => {
                Err(Refusal::Expired("create a new key and replace this one"))
            }
            Some(_) if right.into() => Ok(()),
            _ => Err(Refusal::Unknown),
        }
    }
}

/// Where callers are looked up.
pub(super) struct Directory {
    store: Store,
    clock: Clock,
    current: RwLock<Arc<Callers>>,
    readings: AtomicU64,
    reading: tokio::sync::Mutex<()>,
}

impl Directory {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        let nobody = Callers { read_at_ms: i64::MIN, ..Callers::default() };
        Self {
            store,
            clock,
            current: RwLock::new(Arc::new(nobody)),
            readings: AtomicU64::new(0),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The callers as they were a few seconds ago at most.
    pub(super) async fn fresh(&self) -> store::Result<Arc<Callers>> {
        let current = self.current();
        let age_ms = unix_ms(self.clock.now()).saturating_sub(current.read_at_ms);
        // A clock that was set back makes it look newer than now.
        if (0..STALE_AFTER_MS).contains(&age_ms) { Ok(current) } else { self.reloaded().await }
    }

    /// The callers as they are now. Who comes while others wait shares their reading, if it has not begun yet.
    pub(super) async fn reloaded(&self) -> store::Result<Arc<Callers>> {
        let needed = self.readings.load(Ordering::SeqCst) + 1;
        let _one_reads = self.reading.lock().await;
        let current = self.current();
        if current.reading >= needed {
            return Ok(current);
        }
        let reading = self.readings.fetch_add(1, Ordering::SeqCst) + 1;
        let read_at_ms = unix_ms(self.clock.now());
        let (keys, trusted) =
            self.store.read(|conn| Ok((api_keys::living(conn)?, certificates::trusted(conn)?))).await?;
        let mut signers: HashMap<String, Vec<Signer>> = HashMap::new();
        for row in &trusted {
            signers.entry(row.key_id.clone()).or_default().extend(signer(row));
        }
        let known = keys.into_iter().map(|key| {
            let bound = key.account.is_some() || key.org.is_some();
            let scopes = key.scopes.split(' ').filter_map(Scope::parse);
            let known = Known {
                scopes: scopes.filter(|scope| !(bound && scope.sees_everything())).collect(),
                signers: signers.remove(&key.id).unwrap_or_default(),
                taken: current.find(&key.id).map(|known| Arc::clone(&known.taken)).unwrap_or_default(),
                key,
            };
            (known.key.id.clone(), Arc::new(known))
        });
        let callers = Arc::new(Callers { known: known.collect(), reading, read_at_ms });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&callers);
        Ok(callers)
    }

    fn current(&self) -> Arc<Callers> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn signer(row: &Certificate) -> Option<Signer> {
    match certificate::read(&row.certificate) {
        Ok(read) => Some(Signer { key: read.key, expires_at_ms: row.expires_at.min(read.expires_at_ms) }),
        Err(error) => {
            tracing::error!(
                key.id = row.key_id,
                error,
                "a stored certificate cannot be read; it signs for nobody"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use secrecy::SecretString;

    use super::super::{Auth, issue};
    use super::*;
    use crate::config::AuthConfig;

    /// The fastest of many runs for each of two, in turns, so that what else goes on slows down both.
    fn fastest<T: Copy>(of: [T; 2], check: impl Fn(T)) -> [Duration; 2] {
        (0..5_000).fold([Duration::MAX; 2], |fastest, _| {
            let took = of.map(|one| {
                let began = Instant::now();
                check(one);
                began.elapsed()
            });
            [fastest[0].min(took[0]), fastest[1].min(took[1])]
        })
    }

    #[tokio::test]
    async fn who_guesses_ids_learns_nothing_from_the_time() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("auth.db").display());
        let store = Store::open(&SecretString::from(url), 2).unwrap();
        let clock = Clock::manual(time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
        let (key, _token) = issue("known", &Scope::ALL, clock.now(), None).unwrap();
        let id = key.id.clone();
        store.write(move |conn| api_keys::create(conn, &key)).await.unwrap();
        let config = AuthConfig {
            token_secrets: vec![SecretString::from("0123456789abcdef0123456789abcdef")],
            audience: "paybridge".to_owned(),
            token_life: Duration::from_secs(900),
            requests_per_minute: 1,
            failures_per_minute: 1_000,
            source_header: None,
        };
        let auth = Auth::new(&config, store, clock).unwrap();
        let readings = || auth.directory.readings.load(Ordering::SeqCst);
        auth.authenticate("pb_first_x", None).await.unwrap_err();
        let wrong = format!("pb_{id}_{}", "0".repeat(64));
        let unknown = format!("pb_{}_{}", "f".repeat(12), "0".repeat(64));
        for bearer in [&wrong, &unknown, &wrong, &unknown] {
            let before = readings();
            auth.authenticate(bearer, None).await.unwrap_err();
            assert_eq!(readings() - before, 1, "{bearer}");
        }
        let callers = auth.directory.fresh().await.unwrap();
        let took = fastest([&*id, "ffffffffffff"], |id| drop(callers.prove(id, "0000", 1)));
        let (least, most) = (took[0].min(took[1]), took[0].max(took[1]));
        assert!(most < least * 3 / 2, "{took:?}");
    }
}
