//! `paybridge bench`: what the service reaches on this machine, measured on itself, without anything outside it.
//!
//! It starts the real program as a process of its own, with a throwaway database on a real disk, and is the load. It must
//! not change what it measures: all it needs of the service is a recorder that stores nothing, to compare with.
#![expect(
    clippy::float_arithmetic,
    reason = "the benchmark divides events by seconds; it never sees an amount"
)]

mod api;
mod backlog;
mod database;
mod deliver;
mod events;
mod growth;
mod ingest;
mod latency;
mod load;
mod machine;
mod picture;
mod process;
mod report;
mod service;
mod soak;
mod start;

use std::io;
use std::path::PathBuf;

use database::Engine;
use report::Measured;
pub use report::Report;

/// What is measured, and how much of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of rows, or their beginnings; none stands for all but `soak`.
    pub rows: Vec<String>,
    /// Rounds of each measurement; their median is reported.
    pub rounds: usize,
    /// Events of one round.
    pub events: usize,
    /// Records that wait for Salesforce, for the row `deliver`.
    pub backlog: usize,
    /// Records that wait while memory is measured, for the row `backlog`.
    pub waiting: usize,
    /// Events that are stored already, at most, for the row `growth`.
    pub stored: usize,
    /// How long the row `soak` takes.
    pub minutes: usize,
    /// Where databases are put: a directory on a real disk.
    pub directory: PathBuf,
}

/// A row of the table: something measured on a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    what: What,
    engine: Engine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Ingest,
    Latency,
    Process,
    Deliver,
    Api,
    Backlog,
    Growth,
    Start,
    Soak,
}

impl Row {
    fn all() -> impl Iterator<Item = Self> {
        let all = [
            What::Ingest,
            What::Latency,
            What::Process,
            What::Deliver,
            What::Api,
            What::Backlog,
            What::Growth,
            What::Start,
            What::Soak,
        ];
        all.into_iter()
            .flat_map(|what| [Engine::Sqlite, Engine::Postgres].map(|engine| Self { what, engine }))
            .filter(|row| !(row.what == What::Start && row.engine == Engine::Postgres))
    }

    /// Only measured when it is named.
    fn is_long(self) -> bool {
        self.what == What::Soak
    }

    fn name(self) -> String {
        format!("{:?}-{:?}", self.what, self.engine).to_lowercase()
    }

    async fn measure(self, options: &Options, told: impl Fn(&str)) -> io::Result<Measured> {
        let engine = self.engine;
        Ok(match self.what {
            What::Ingest => ingest::measure(engine, options, told).await?.into(),
            What::Latency => latency::measure(engine, options, told).await?.into(),
            What::Process => process::measure(engine, options, told).await?.into(),
            What::Deliver => deliver::measure(engine, options, told).await?.into(),
            What::Api => api::measure(engine, options, told).await?.into(),
            What::Backlog => backlog::measure(engine, options, told).await?.into(),
            What::Growth => growth::measure(engine, options, told).await?,
            What::Start => start::measure(engine, options, told).await?.into(),
            What::Soak => soak::measure(engine, options, told).await?,
        })
    }
}

/// The names of all rows.
pub fn row_names() -> Vec<String> {
    Row::all().map(Row::name).collect()
}

/// Measures the rows one after the other and tells `progress` what it is doing.
///
/// A row that cannot be measured keeps no other from being measured; the report names it, and `progress` is told why. Rows on
/// PostgreSQL are left out, and `progress` is told, when its server is not installed.
///
/// Errors: a row that is not known, and a directory in memory.
pub async fn run(options: &Options, progress: impl Fn(&str)) -> io::Result<Report> {
    let rows = chosen(&options.rows)?;
    machine::refuse_memory(&options.directory)?;
    let mut report = Report::new(machine::describe(&options.directory)?);
    for row in rows {
        let name = row.name();
        if row.engine == Engine::Postgres && database::postgres_binaries().is_none() {
            progress(&format!("{name}: left out, no PostgreSQL server is installed (Debian: `postgresql`)"));
            continue;
        }
        let told = |text: &str| progress(&format!("{name}: {text}"));
        match row.measure(options, told).await {
            Ok(measured) => report.add(&name, measured),
            Err(error) => {
                progress(&format!("{name}: not measured: {error}"));
                report.not_measured.push(name);
            }
        }
    }
    Ok(report)
}

fn chosen(asked: &[String]) -> io::Result<Vec<Row>> {
    let names = row_names();
    if let Some(unknown) = asked.iter().find(|begin| !names.iter().any(|name| name.starts_with(*begin))) {
        let message = format!("there is no row `{unknown}`; there are {}", names.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let wanted = |row: &Row| {
        if asked.is_empty() {
            !row.is_long()
        } else {
            asked.iter().any(|begin| row.name().starts_with(begin))
        }
    };
    Ok(Row::all().filter(wanted).collect())
}
