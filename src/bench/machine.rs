//! What the figures were measured on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::database::postgres_binaries;
use crate::clock::Clock;

/// Flushes that the disk is measured by.
const FLUSHES: usize = 200;

/// What stands above the table.
pub(super) fn describe(directory: &Path) -> io::Result<Vec<(&'static str, String)>> {
    let cores = std::thread::available_parallelism()?;
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let build = if cfg!(debug_assertions) { "debug build: figures mean nothing" } else { "release build" };
    let postgres = postgres_binaries().map(|path| {
        let output = Command::new(path.join("postgres")).arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    Ok(vec![
        ("date", Clock::system().now().date().to_string()),
        ("machine", format!("{cores} cores, {}", model.map_or("unknown", |(_, name)| name))),
        ("disk", format!("{:.2} ms for a flush of 4 kB in {}", flush_ms(directory)?, directory.display())),
        ("paybridge", format!("{}, {build}, {}", env!("CARGO_PKG_VERSION"), env!("PAYBRIDGE_RUSTC"))),
        ("SQLite", libsqlite3_sys::SQLITE_VERSION.to_string_lossy().into_owned()),
        ("PostgreSQL", postgres.transpose()?.unwrap_or_else(|| "not installed".to_owned())),
    ])
}

/// The median time that one small write takes to reach the disk.
fn flush_ms(directory: &Path) -> io::Result<f64> {
    let path = directory.join(format!("paybridge-flush-{}", std::process::id()));
    let mut file = File::create(&path)?;
    std::fs::remove_file(&path)?;
    let mut times = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        file.write_all(&[7; 4_096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[FLUSHES / 2].as_secs_f64() * 1_000.0)
}

/// A file system in memory flushes nothing, and durable ingest measured on it would be a lie.
pub(super) fn refuse_memory(directory: &Path) -> io::Result<()> {
    let named = |error| io::Error::other(format!("{}: {error}", directory.display()));
    let directory = directory.canonicalize().map_err(named)?;
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?)).filter(|(at, _)| directory.starts_with(at))
    });
    match mounted.max_by_key(|(at, _)| at.len()) {
        Some((at, kind @ ("tmpfs" | "ramfs"))) => Err(io::Error::other(format!(
            "{} lies in memory ({kind} at {at}); name a directory on a disk with --directory",
            directory.display()
        ))),
        _ => Ok(()),
    }
}
