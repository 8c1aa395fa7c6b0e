//! Dies at a named step when it is told to: for the tests, and in debug builds only.

/// The environment variable that names a step, or a step and at which passage of it: `records_leased:3`.
pub const CRASH_AT: &str = "PAYBRIDGE_CRASH_AT";

/// Work has come to this step. Ends the process without a word if this is where it is to die.
#[cfg(debug_assertions)]
pub fn at(step: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static DEATH: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    let death = DEATH.get_or_init(|| {
        let told = std::env::var(CRASH_AT).ok()?;
        let (step, passages) = told.split_once(':').unwrap_or((&told, "1"));
        Some((step.to_owned(), AtomicU32::new(passages.parse().unwrap_or(1))))
    });
    if let Some((_, passages)) = death.as_ref().filter(|(named, _)| named == step)
        && passages.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Nobody dies in a release.
#[cfg(not(debug_assertions))]
#[inline]
pub fn at(_step: &str) {}
