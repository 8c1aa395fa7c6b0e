//! How far an object has got, as one number, for states of the same second.
//!
//! The parts count in this order: the stage (ended beats running, anything beats the event that announced the object),
//! then what only ever grows. Equal numbers mean that the payload cannot tell.

/// One step of the stage outweighs every amount (Stripe's have at most 12 digits).
const STAGE: i64 = 1_000_000_000_000_000_000;

/// The number for a stage from 0 to 8 and something that only grows.
pub(super) fn of(stage: u8, grows: i64) -> i64 {
    i64::from(stage.min(8)) * STAGE + grows.clamp(0, STAGE - 1)
}
