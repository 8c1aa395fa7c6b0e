//! Made-up and damaged input for everything that reads what others send. Nothing may panic, and what is taken has to be right.
//!
//! `cargo test` tries a few cases of each target, the same ones each time. `make fuzz` tries as many as `FUZZ_CASES` says, others
//! each time; `FUZZ_SEED` repeats a run. Every target prints how many cases it ran, and how long the slowest took.

mod auth;
mod hostile;
mod mapping;
mod money;
mod settings;
mod signature;

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

/// What a case costs: how many of them a short run tries, and a long one for each hundred of `FUZZ_CASES`.
#[derive(Clone, Copy)]
enum Cost {
    /// Microseconds.
    Cheap,
    /// Tens of microseconds.
    Fair,
    /// Up to a millisecond.
    Dear,
    /// Many milliseconds.
    Slow,
}

impl Cost {
    fn cases(self) -> u32 {
        let (short, share) = match self {
            Self::Cheap => (2_000, 100),
            Self::Fair => (500, 50),
            Self::Dear => (40, 10),
            Self::Slow => (40, 1),
        };
        number("FUZZ_CASES").map_or(short, |cases| u32::try_from(cases * share / 100).unwrap().max(1))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Tries `check` on what `input` makes up; fails with the smallest input found that it does not survive.
#[expect(clippy::print_stderr, reason = "the figures are what a long run is for")]
fn fuzz<S: Strategy>(name: &str, cost: Cost, input: &S, check: impl Fn(S::Value)) {
    let cases = cost.cases();
    let long = number("FUZZ_CASES").is_some();
    let seed = number("FUZZ_SEED").unwrap_or_else(|| if long { fastrand::u64(..) } else { 1 });
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let (began, slowest) = (Instant::now(), Cell::new(Duration::ZERO));
    let result = TestRunner::new(config).run(input, |value| {
        let began = Instant::now();
        check(value);
        slowest.set(slowest.get().max(began.elapsed()));
        Ok(())
    });
    let (took, slowest) = (began.elapsed(), slowest.get());
    match result {
        Ok(()) => {
            eprintln!(
                "fuzz {name}: {cases} cases in {took:.1?}, the slowest took {slowest:.1?}, seed {seed}"
            );
        }
        Err(TestError::Fail(reason, value)) => {
            let value: String = format!("{value:?}").chars().take(4_000).collect();
            panic!("{name}, seed {seed}: {reason}\nwith {value}");
        }
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
    }
}
