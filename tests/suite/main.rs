//! One test binary; one file for each kind of behaviour.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod api;
mod architecture;
mod balance;
mod bindings;
mod bridge;
mod commands;
mod contract;
mod crash;
mod dead_letters;
mod delivery;
mod durable;
mod ends;
mod fault_matrix;
mod faults;
mod fuzz;
mod hardening;
mod idempotency;
mod journeys;
mod level;
mod mapping;
mod notices;
mod operators;
mod order;
mod patience;
mod postgres;
mod process;
mod promises;
mod reads;
mod resources;
mod retention;
mod security;
mod signatures;
mod store;
mod story;
mod telling;
mod trace;
mod webhooks;

/// Makes one test for each database out of each name. The list opens a file as its table of contents.
macro_rules! each_backend {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bridge::Bridge::start(paybridge::store::Backend::Sqlite).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bridge::Bridge::start(paybridge::store::Backend::Postgres).await).await;
            })+
        }
    };
}
pub(crate) use each_backend;
