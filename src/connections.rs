//! Ends connections on which nothing is asked any more.
//!
//! The HTTP server times the first head of a connection, and our handlers time the bodies that they read. It does not time the
//! next head, a body that nobody reads, or an answer that nobody takes; whoever sends or takes a byte now and then would hold
//! such a connection for ever.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, rt};

/// A connection without a request may last so long. Longer than the server keeps an idle one alive.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often connections are looked at.
const PACE: Duration = Duration::from_secs(5);

/// The connections of one server.
#[derive(Debug)]
pub struct Connections {
    began: Instant,
    open: Mutex<Vec<Weak<Connection>>>,
}

/// One connection, for as long as it is open.
#[derive(Debug)]
struct Connection {
    /// The same socket once more, only to close it.
    socket: TcpStream,
    under_way: AtomicUsize,
    /// When the last request ended, in milliseconds since the server began.
    quiet_since_ms: AtomicU64,
    list: Arc<Connections>,
}

/// A request that is being answered.
struct Asked(Arc<Connection>);

impl Connections {
    /// None yet. Has to be called where tasks can be spawned.
    pub fn watched() -> Arc<Self> {
        let connections = Arc::new(Self { began: Instant::now(), open: Mutex::default() });
        let watched = Arc::downgrade(&connections);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PACE).await;
                let Some(connections) = watched.upgrade() else { return };
                connections.end_quiet_ones();
            }
        });
        connections
    }

    /// Keeps an eye on a connection that was just accepted; for `HttpServer::on_connect`.
    pub fn opened(self: &Arc<Self>, io: &dyn Any, data: &mut Extensions) {
        let socket =
            io.downcast_ref::<rt::net::TcpStream>().map(|stream| stream.as_fd().try_clone_to_owned());
        // Without another descriptor there is nothing to close it with; the server's own limits hold all the same.
        let Some(Ok(socket)) = socket else { return };
        let connection = Arc::new(Connection {
            socket: socket.into(),
            under_way: AtomicUsize::new(0),
            quiet_since_ms: AtomicU64::new(self.now_ms()),
            list: Arc::clone(self),
        });
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&connection));
        data.insert(connection);
    }

    fn end_quiet_ones(&self) {
        let now_ms = self.now_ms();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            let quiet_ms = now_ms.saturating_sub(connection.quiet_since_ms.load(Ordering::Relaxed));
            let ends = connection.under_way.load(Ordering::Relaxed) == 0
                && Duration::from_millis(quiet_ms) > PATIENCE;
            // It may be closed already, which is what was wanted.
            let _closed = ends.then(|| connection.socket.shutdown(Shutdown::Both));
            !ends
        });
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Asked {
    fn on(connection: &Arc<Connection>) -> Self {
        connection.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connection))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.quiet_since_ms.store(self.0.list.now_ms(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Middleware for the whole application: a connection is left alone while its request is answered.
pub async fn watch<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let _asked = request.conn_data::<Arc<Connection>>().map(Asked::on);
    next.call(request).await
}
