//! Connections to either backend, the two doors to them, and the migrations.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::migration::MigrationSource;
use diesel::r2d2::{Pool, R2D2Connection};
use diesel::sqlite::Sqlite;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use secrecy::{ExposeSecret, SecretString};

use super::error::{Error, Result};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Any number all our processes agree on: the lock that migrations are applied under.
const MIGRATION_LOCK: i64 = 7_079_283_411;

/// How long a caller waits for a connection before the database counts as unavailable.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(3);

/// Which database holds the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One file on this machine.
    Sqlite,
    /// A server.
    Postgres,
}

/// A connection to either backend. Queries that both understand are written once, with `on_backend!`.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub enum Conn {
    /// A file on this machine.
    Sqlite(SqliteConnection),
    /// A server.
    Postgres(PgConnection),
}

/// Evaluates an expression on the connection that is really there; it is type-checked for each backend.
macro_rules! on_backend {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::Conn::Sqlite($c) => $body,
            $crate::store::Conn::Postgres($c) => $body,
        }
    };
}
pub(super) use on_backend;

/// The store: cheap to clone, all clones share the connections.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    backend: Backend,
    readers: Pool<Manager>,
    /// SQLite has one writer at a time whatever we do, so it has one connection; PostgreSQL shares the readers'.
    writers: Pool<Manager>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("backend", &self.0.backend).finish_non_exhaustive()
    }
}

impl Store {
    /// Connects to the database that `url` names and brings its tables up to date, under a lock.
    ///
    /// Blocks. Errors: [`Error::Unavailable`] when it cannot be reached or a migration fails.
    pub fn open(url: &SecretString, connections: u32) -> Result<Self> {
        let manager = Manager::parse(url);
        let backend = manager.backend();
        let mut first = manager.connect().map_err(unavailable)?;
        migrate(&mut first)?;
        drop(first);
        let pool = |size: u32, manager: Manager| {
            Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .test_on_check_out(backend == Backend::Postgres)
                .connection_timeout(CHECKOUT_TIMEOUT)
                .error_handler(Box::new(QuietHandler))
                // That the database is there is known by now; it may be busy.
                .build_unchecked(manager)
        };
        let readers = pool(connections, manager.clone());
        let writers = match backend {
            Backend::Sqlite => pool(1, manager),
            Backend::Postgres => readers.clone(),
        };
        Ok(Self(Arc::new(Inner { backend, readers, writers })))
    }

    /// Which backend `url` names, and how many migrations its tables lack. Changes nothing; blocks.
    ///
    /// Errors: [`Error::Unavailable`] when it cannot be reached.
    pub fn pending_migrations(url: &SecretString) -> Result<(Backend, usize)> {
        let manager = Manager::parse(url);
        if let Manager::Sqlite { path } = &manager
            && !std::path::Path::new(path).exists()
        {
            let all =
                MigrationSource::<Sqlite>::migrations(&SQLITE_MIGRATIONS).map_err(Error::Unavailable)?;
            return Ok((Backend::Sqlite, all.len()));
        }
        let pending = match &mut manager.connect().map_err(unavailable)? {
            Conn::Sqlite(c) => c.pending_migrations(SQLITE_MIGRATIONS).map(|pending| pending.len()),
            Conn::Postgres(c) => c.pending_migrations(POSTGRES_MIGRATIONS).map(|pending| pending.len()),
        };
        Ok((manager.backend(), pending.map_err(Error::Unavailable)?))
    }

    /// Which backend this is.
    pub fn backend(&self) -> Backend {
        self.0.backend
    }

    /// Runs queries that change nothing, off the reactor.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        off_the_reactor(move || work(&mut *store.0.readers.get().map_err(unavailable)?)).await
    }

    /// Runs `work` in one transaction, off the reactor. An error rolls everything back.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        off_the_reactor(move || store.write_blocking(work)).await
    }

    /// [`Store::read`] for threads that may block.
    pub fn read_blocking<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        work(&mut *self.0.readers.get().map_err(unavailable)?)
    }

    /// [`Store::write`] for threads that may block.
    pub fn write_blocking<T>(&self, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let mut conn = self.0.writers.get().map_err(unavailable)?;
        in_transaction(&mut conn, work)
    }
}

async fn off_the_reactor<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Unavailable(Box::new(error))),
    }
}

/// Commits on `Ok`, rolls back on `Err`.
///
/// On SQLite the transaction takes the write lock at its beginning: one that reads first and wants to write later fails with
/// "database is locked" when another writer came between, and no busy timeout helps. Source: sqlite.org/lang_transaction.html.
fn in_transaction<T>(conn: &mut Conn, work: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
    match conn {
        Conn::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?,
        Conn::Postgres(c) => AnsiTransactionManager::begin_transaction(c)?,
    }
    // A panic in `work` leaves the transaction open; the pool throws such a connection away, which rolls it back.
    let result = work(conn);
    on_backend!(conn, c => match result {
        Ok(value) => {
            AnsiTransactionManager::commit_transaction(c)?;
            Ok(value)
        }
        Err(error) => {
            if let Err(rollback) = AnsiTransactionManager::rollback_transaction(c) {
                tracing::warn!(error = %rollback, "rollback failed; the connection is dropped");
            }
            Err(error)
        }
    })
}

/// Applies what is pending. Several processes may start at once: one applies, the others wait and find nothing to do.
fn migrate(conn: &mut Conn) -> Result<()> {
    match conn {
        Conn::Sqlite(c) => c
            .immediate_transaction(|c| {
                c.run_pending_migrations(SQLITE_MIGRATIONS).map(|_versions| ()).map_err(Failure::Migration)
            })
            .map_err(|failure| Error::Unavailable(failure.into())),
        Conn::Postgres(c) => {
            c.batch_execute("SET statement_timeout = 0")?;
            diesel::sql_query(format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).execute(c)?;
            let result = c.run_pending_migrations(POSTGRES_MIGRATIONS).map(|_versions| ());
            diesel::sql_query(format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).execute(c)?;
            result.map_err(Error::Unavailable)
        }
    }
}

enum Failure {
    Database(diesel::result::Error),
    Migration(Box<dyn std::error::Error + Send + Sync>),
}

impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Failure> for Box<dyn std::error::Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => Box::new(error),
            Failure::Migration(error) => error,
        }
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Unavailable(Box::new(error))
}

/// Opens connections. The variant is chosen by the URL's scheme: SQLite would take any text for a file name.
#[derive(Clone)]
enum Manager {
    Sqlite { path: String },
    Postgres { url: SecretString },
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.backend())
    }
}

impl Manager {
    fn parse(url: &SecretString) -> Self {
        match url.expose_secret().strip_prefix("sqlite://") {
            Some(path) => Self::Sqlite { path: path.to_owned() },
            None => Self::Postgres { url: url.clone() },
        }
    }

    fn backend(&self) -> Backend {
        match self {
            Self::Sqlite { .. } => Backend::Sqlite,
            Self::Postgres { .. } => Backend::Postgres,
        }
    }

    fn connect(&self) -> std::result::Result<Conn, diesel::r2d2::Error> {
        use diesel::ConnectionError::BadConnection;
        use diesel::r2d2::Error::{ConnectionError, QueryError};
        match self {
            Self::Sqlite { path } => {
                let refused = |error: String| ConnectionError(BadConnection(format!("`{path}`: {error}")));
                make_private(path).map_err(|error| refused(error.to_string()))?;
                let mut conn =
                    SqliteConnection::establish(path).map_err(|error| refused(error.to_string()))?;
                // The timeout first: switching to WAL already needs the file's lock. Checkpoints are rare and larger: each
                // stops the writer for two more flushes, and hot index pages are copied once instead of ten times.
                conn.batch_execute(
                    "PRAGMA busy_timeout = 3000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 10000;",
                )
                .map_err(QueryError)?;
                Ok(Conn::Sqlite(conn))
            }
            Self::Postgres { url } => {
                let mut conn = PgConnection::establish(url.expose_secret())
                    .map_err(|error| ConnectionError(BadConnection(without_password(error.to_string()))))?;
                // Nothing of ours takes long; what does is stuck behind a lock, and others wait for its connection.
                conn.batch_execute("SET statement_timeout = '10s'").map_err(QueryError)?;
                Ok(Conn::Postgres(conn))
            }
        }
    }
}

impl diesel::r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> std::result::Result<Conn, Self::Error> {
        Manager::connect(self)
    }

    fn is_valid(&self, conn: &mut Conn) -> std::result::Result<(), Self::Error> {
        on_backend!(conn, c => c.ping().map_err(diesel::r2d2::Error::QueryError))
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || on_backend!(conn, c => c.is_broken())
    }
}

/// A new database file is for its owner only: it holds names and addresses. SQLite gives its companions the same rights.
fn make_private(path: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// What libpq says, unless it may quote the URL: an unescaped character in the password makes it take parts of the password
/// for a host, a port or an option, and name them.
fn without_password(text: String) -> String {
    let harmless = ["connection to server", "invalid sslmode value", "root certificate file"]
        .iter()
        .any(|begin| text.starts_with(begin))
        || (text.starts_with("could not translate host name") && !text.contains('@'));
    if harmless {
        return text;
    }
    "the address cannot be understood; in user and password write `%` as %25, `/` as %2F, `@` as %40, `:` as %3A".to_owned()
}

/// The pool's own complaints: each failure also reaches the caller, so they are not worth more than `debug`.
#[derive(Debug)]
struct QuietHandler;

impl diesel::r2d2::HandleError<diesel::r2d2::Error> for QuietHandler {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::debug!(%error, "database connection");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_understood_is_not_quoted() {
        for url in [
            "postgres://u:hun%ter2@127.0.0.1:1/x",
            "postgres://u:hun/ter2@127.0.0.1:1/x",
            "postgres://u:hun@ter2@127.0.0.1:1/x",
            "postgres://u:hun?ter2@127.0.0.1:1/x",
            "postgres://u:hun ter2@[bad/x",
        ] {
            let failed = Manager::parse(&SecretString::from(url)).connect().err().unwrap();
            assert!(!failed.to_string().contains("hun") && !failed.to_string().contains("ter2"), "{failed}");
        }
        let closed = Manager::parse(&SecretString::from("postgres://u:hunter2@127.0.0.1:1/x")).connect();
        assert!(closed.err().unwrap().to_string().contains("Connection refused"));
    }
}
