//! One test binary; one file for each kind of behaviour.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod api;
mod architecture;
mod balance;
mod bridge;
mod commands;
mod contract;
mod ends;
