//! The commands of paybridge; no logic of its own.

use std::process::ExitCode;

use clap::Parser;
use paybridge::commands::{self, Arguments};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    commands::run(arguments, std::env::vars().collect()).await
}
