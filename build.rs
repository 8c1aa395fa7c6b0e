//! Rebuilds when what is embedded changes, and notes the compiler.

use std::process::Command;

fn main() {
    // For the benchmark's report.
    let compiler = std::env::var("RUSTC").expect("cargo says which compiler it uses");
    let version = Command::new(compiler).arg("--version").output().expect("the compiler runs");
    println!("cargo:rustc-env=PAYBRIDGE_RUSTC={}", String::from_utf8_lossy(&version.stdout).trim());
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=apex/force-app/main/default/objects");
}
