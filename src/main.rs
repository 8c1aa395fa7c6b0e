//! The commands of paybridge; no logic of its own.

use std::process::ExitCode;

use clap::Parser;
use paybridge::commands::{self, Arguments};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Text that is not UTF-8 is nothing of ours, or a setting whose fault shall be told by its key.
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    commands::run(arguments, environment.collect()).await
}
