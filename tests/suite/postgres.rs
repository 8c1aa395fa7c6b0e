//! A private PostgreSQL server for the tests: started once, gone with the process however that ends.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use diesel::{Connection, PgConnection, RunQueryDsl};

use crate::patience::{children_of, watch_this_test};

/// `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65_534;

pub struct Server {
    directory: PathBuf,
    /// Its standard input is the server's lifeline: when this process ends, however, the pipe closes and the server stops.
    shell: Mutex<(Child, BufReader<ChildStdout>)>,
}

/// The server, started by the first test that asks.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("", "-c listen_addresses=''"))
}

impl Server {
    /// `prepare` is shell that runs in the server's directory before it starts, `options` are the server's and win over ours,
    /// which let it lose all when the machine stops.
    pub fn start(prepare: &str, options: &str) -> Self {
        watch_this_test();
        let binaries = binaries();
        let directory =
            std::env::temp_dir().join(format!("paybridge-test-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&directory).unwrap();
        let script = format!(
            "set -e; cd {dir}; \
             {bin}/initdb -D data -A trust -U postgres -N --no-instructions >initdb.log 2>&1; \
             {prepare} \
             run() {{ \
               {bin}/postgres -D data -k {dir} -c fsync=off -c full_page_writes=off -c synchronous_commit=off \
                 -c max_connections=400 {options} </dev/null >>server.log 2>&1 & server=$!; \
               until {bin}/psql -h {dir} -U postgres -qAtc 'select 1' >/dev/null 2>&1; do \
                 kill -0 $server || {{ cat server.log; exit 1; }}; done; \
               echo ready; }}; \
             run; while read -r again; do wait $server || true; run; done; \
             kill -QUIT $server; wait $server || true; cd /; rm -rf {dir}",
            bin = binaries.display(),
            dir = directory.display(),
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        // A group of its own: Ctrl-C must reach the tests, and the server must end in order.
        command.process_group(0);
        if is_root() {
            std::os::unix::fs::chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut shell = command.spawn().unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        until_ready(&mut said);
        Self { directory, shell: Mutex::new((shell, said)) }
    }

    /// Kills it with all its processes; none of them is left when this returns.
    pub fn kill(&self) {
        let processes = self.processes();
        let ids = processes.iter().map(u32::to_string);
        // Some of them may have ended by themselves.
        let _some_gone = Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status().unwrap();
        let runs = |id: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
        };
        while processes.iter().any(runs) {
            std::thread::yield_now();
        }
    }

    /// After [`Self::kill`], on the same data. Blocks until it takes connections.
    pub fn start_again(&self) {
        let mut shell = self.shell.lock().unwrap();
        let (child, said) = &mut *shell;
        child.stdin.as_mut().unwrap().write_all(b"again\n").unwrap();
        until_ready(said);
    }

    /// Where the server keeps everything.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The ids of its processes, of which the first started the others.
    pub fn processes(&self) -> Vec<u32> {
        let file = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        let first: u32 = file.lines().next().unwrap().parse().unwrap();
        std::iter::once(first).chain(children_of(first)).collect()
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=postgres", self.directory.display())
    }

    /// Creates an empty database and gives its URL.
    pub fn database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        self.execute(&format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Runs a statement in the database `postgres`.
    pub fn execute(&self, statement: &str) {
        let mut conn = PgConnection::establish(&self.url("postgres")).unwrap();
        diesel::sql_query(statement).execute(&mut conn).unwrap();
    }
}

fn until_ready(said: &mut impl BufRead) {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "the PostgreSQL server did not start: {line}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

/// The newest installed version, Debian's layout first.
fn binaries() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    found.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    found.sort_by_key(|path| std::cmp::Reverse(version_of(path)));
    found
        .into_iter()
        .find(|path| path.join("initdb").is_file() && path.join("postgres").is_file() && path.join("psql").is_file())
        .expect("PostgreSQL's server binaries are needed: `make test` installs them, or install the package `postgresql`")
}

fn version_of(path: &std::path::Path) -> u32 {
    path.components().filter_map(|part| part.as_os_str().to_str()?.parse().ok()).max().unwrap_or(0)
}

#[test]
fn connections_over_the_network_can_be_encrypted_and_verified() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let prepare = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=ca \
            >openssl.log 2>&1; \
        openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost >>openssl.log 2>&1; \
        echo subjectAltName=DNS:localhost >san; \
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san \
            -out server.crt >>openssl.log 2>&1; \
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout other.key -out other.crt -subj /CN=other \
            >>openssl.log 2>&1; chmod 600 server.key; \
        printf 'local all all trust\\nhostssl all all 127.0.0.1/32 trust\\n' >data/pg_hba.conf;";
    let options = format!(
        "-p {port} -c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file=../server.crt -c ssl_key_file=../server.key"
    );
    let server = Server::start(&format!("export PGPORT={port}; {prepare}"), &options);
    let open = |host: &str, mode: &str| {
        let url = format!("postgres://postgres@{host}:{port}/postgres?{mode}");
        paybridge::store::Store::open(&url.into(), 2).map(|_store| ())
    };
    let root = |file: &str| format!("sslrootcert={}", server.directory().join(file).display());
    let tries = [
        ("localhost", "sslmode=disable".to_owned(), false),
        ("localhost", "sslmode=require".to_owned(), true),
        ("localhost", format!("sslmode=verify-full&{}", root("ca.crt")), true),
        ("localhost", format!("sslmode=verify-full&{}", root("other.crt")), false),
        ("127.0.0.1", format!("sslmode=verify-full&{}", root("ca.crt")), false),
    ];
    for (host, mode, expected) in tries {
        let opened = open(host, &mode);
        assert_eq!(opened.is_ok(), expected, "{host} {mode}: {opened:?}");
    }
}
