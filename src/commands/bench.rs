//! `paybridge bench`: measures the service on this machine; and the forms of the service that only the benchmark starts.

use std::path::PathBuf;

use super::{Failure, serve};
use crate::app::{App, Background};
use crate::bench;
use crate::config::Config;

/// What is measured. Durable figures need a real disk and a release build.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Rows, or beginnings of their names, like `ingest` or `ingest-sqlite` [default: all but `soak`]
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// Rounds of each measurement; the median is shown
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    rounds: usize,
    /// Events of one round
    #[arg(long, default_value_t = 40_000, value_parser = at_least_one)]
    events: usize,
    /// Records that wait for Salesforce in the rows `deliver-…`
    #[arg(long, default_value_t = 50_000, value_parser = at_least_one)]
    backlog: usize,
    /// Records that wait while memory is measured in the rows `backlog-…`
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one)]
    waiting: usize,
    /// Events that are stored already, at most, in the rows `growth-…`; five million take about 15 GB of disk
    #[arg(long, default_value_t = 5_000_000, value_parser = at_least_one)]
    stored: usize,
    /// How long the rows `soak-…` take, which are only measured when they are named
    #[arg(long, default_value_t = 60, value_parser = at_least_one)]
    minutes: usize,
    /// Where the databases are put while it runs; not in memory
    #[arg(long, default_value = "/var/tmp", value_name = "DIR")]
    directory: PathBuf,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw the rows that have curves into this directory, each as `ROW.svg`
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
}

/// How much of the service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// Check and acknowledge, store nothing
    VerifyOnly,
    /// Check, store and acknowledge
    StoreOnly,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let Options { rows, rounds, events, backlog, waiting, stored, minutes, directory, json, pictures } =
        options;
    let options = bench::Options { rows, rounds, events, backlog, waiting, stored, minutes, directory };
    // Better now than after an hour.
    if let Some(directory) = &pictures {
        let named = |error| std::io::Error::other(format!("{}: {error}", directory.display()));
        std::fs::create_dir_all(directory).map_err(named)?;
    }
    let report = bench::run(&options, tell).await?;
    print!("{report}");
    if let Some(file) = json {
        std::fs::write(file, report.to_json()?)?;
    }
    if let Some(directory) = pictures {
        for (row, svg) in report.pictures()? {
            std::fs::write(directory.join(format!("{row}.svg")), svg)?;
        }
    }
    if !report.not_measured.is_empty() {
        let rows = report.not_measured.join(", ");
        return Err(std::io::Error::other(format!("not measured, see above: {rows}")).into());
    }
    Ok(())
}

/// Runs a part of the service until SIGTERM or SIGINT, without background work.
pub(super) async fn serve_part(config: Config, part: Part) -> Result<(), Failure> {
    let prepare = |app: App| if part == Part::VerifyOnly { app.storing_nothing() } else { app };
    serve::run_prepared(config, prepare, Background::Stepped).await
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a whole number above 0".to_owned())
}

#[expect(clippy::print_stderr, reason = "progress, apart from the report")]
fn tell(progress: &str) {
    eprintln!("{progress}");
}
