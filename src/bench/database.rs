//! A database of its own for each measurement, gone with it: an SQLite file, or a private PostgreSQL server.

use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::store::Store;

/// `nobody`: PostgreSQL's server refuses to run as root.
const NOBODY: u32 = 65_534;

/// What `docs/operators.md` advises. By default a server keeps 128 MB in memory, and writes whole pages anew after each GB of
/// log.
const SETTINGS: &str = "-c shared_buffers=2GB -c max_wal_size=8GB -c checkpoint_timeout=15min";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

#[derive(Debug)]
pub(super) struct Database {
    pub(super) url: String,
    /// Gone, with all that is in it, when the measurement ends.
    pub(super) directory: PathBuf,
    /// Its standard input is the server's lifeline: when this process ends, however, the pipe closes and the server stops.
    server: Option<Child>,
}

impl Database {
    pub(super) fn create(engine: Engine, parent: &Path) -> io::Result<Self> {
        let directory =
            parent.canonicalize()?.join(format!("paybridge-bench-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&directory)?;
        let mut database = Self { url: String::new(), directory, server: None };
        match engine {
            Engine::Sqlite => {
                database.url = format!("sqlite://{}/paybridge.db", database.directory.display())
            }
            Engine::Postgres => {
                database.url =
                    format!("postgres:///postgres?host={}&user=postgres", database.directory.display());
                database.start_server()?;
            }
        }
        Ok(database)
    }

    pub(super) async fn open(&self) -> io::Result<Store> {
        let url = self.url.clone().into();
        tokio::task::spawn_blocking(move || Store::open(&url, 4)).await?.map_err(io::Error::other)
    }

    /// Lets a server that was just filled do now what it would otherwise do in the next minutes, during the measurement.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let (Some(_), Some(binaries)) = (&self.server, postgres_binaries()) else { return Ok(()) };
        let mut psql = Command::new(binaries.join("psql"));
        psql.args([&self.url, "-qc", "VACUUM (ANALYZE)", "-c", "CHECKPOINT"]);
        if psql.status()?.success() { Ok(()) } else { Err(io::Error::other("the database was not tidied")) }
    }

    /// What it takes on the disk.
    pub(super) fn megabytes(&self) -> io::Result<f64> {
        fn bytes(path: &Path) -> io::Result<u64> {
            let metadata = std::fs::symlink_metadata(path)?;
            if !metadata.is_dir() {
                return Ok(metadata.len());
            }
            std::fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum()
        }
        Ok(bytes(&self.directory)? as f64 / 1e6)
    }

    /// With [`SETTINGS`], and otherwise as it is by default: what it says is committed has reached the disk.
    fn start_server(&mut self) -> io::Result<()> {
        let binaries = postgres_binaries().ok_or(io::ErrorKind::NotFound)?;
        let script = format!(
            "set -e; cd {dir}; {bin}/initdb -D data -A trust -U postgres --no-instructions >initdb.log 2>&1; \
             {bin}/postgres -D data -k {dir} -c listen_addresses='' {SETTINGS} >server.log 2>&1 & server=$!; \
             until {bin}/psql -h {dir} -U postgres -qAtc 'select 1' >/dev/null 2>&1; do \
               kill -0 $server || exit 1; sleep 0.05; done; \
             echo ready; cat >/dev/null; kill -INT $server; wait $server || true",
            bin = binaries.display(),
            dir = self.directory.display(),
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        // A group of its own: Ctrl-C must reach the benchmark, and the server ends in order after it.
        command.process_group(0);
        if std::fs::metadata("/proc/self")?.uid() == 0 {
            std::os::unix::fs::chown(&self.directory, Some(NOBODY), Some(NOBODY))?;
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut server = command.spawn()?;
        let mut line = String::new();
        let output = server.stdout.take().map(BufReader::new);
        output.map_or(Ok(0), |mut output| output.read_line(&mut line))?;
        self.server = Some(server);
        if line.trim() == "ready" {
            Ok(())
        } else {
            let logs = ["initdb.log", "server.log"].map(|name| self.directory.join(name));
            let logs = logs.map(|path| std::fs::read_to_string(path).unwrap_or_default()).concat();
            Err(io::Error::other(format!("the PostgreSQL server did not start: {logs}")))
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            let _already_gone = server.wait();
        }
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(directory = %self.directory.display(), %error, "left behind");
        }
    }
}

/// Where the newest installed server is, Debian's layout first.
pub(super) fn postgres_binaries() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let elsewhere = std::env::var_os("PATH");
    let elsewhere = elsewhere.iter().flat_map(std::env::split_paths);
    versions
        .into_iter()
        .rev()
        .map(|(_, path)| path)
        .chain(elsewhere)
        .find(|path| ["initdb", "postgres", "psql"].iter().all(|program| path.join(program).is_file()))
}
