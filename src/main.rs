//! The commands of paybridge; no logic of its own.

use std::process::ExitCode;

use clap::Parser;
use paybridge::commands::{self, Arguments};

fn main() -> std::io::Result<ExitCode> {
    let arguments = Arguments::parse();
    // Text that is not UTF-8 is nothing of ours, or a setting whose fault shall be told by its key.
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(commands::run(arguments, environment));
    // A thread that waits for a database which is gone must not keep the process.
    runtime.shutdown_background();
    Ok(code)
}
