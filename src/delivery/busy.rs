//! Which records calls under way touch: those they carry and those these point to. Salesforce locks both.

use std::collections::HashMap;

use crate::store::outbox::LONGEST_CALL;

/// The records of all calls under way.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// By external id: how many calls of ours.
    ours: HashMap<String, u32>,
    /// By external id: of calls whose end we do not hear of, until when they may last (milliseconds since 1970).
    unheard: HashMap<String, i64>,
}

impl Busy {
    /// A call of ours leaves.
    pub(super) fn add(&mut self, touched: &[String]) {
        for id in touched {
            *self.ours.entry(id.clone()).or_default() += 1;
        }
    }

    /// It is over and written down.
    pub(super) fn remove(&mut self, touched: &[String]) {
        for id in touched {
            match self.ours.get_mut(id) {
                Some(calls) if *calls > 1 => *calls -= 1,
                _ => {
                    self.ours.remove(id);
                }
            }
        }
    }

    /// Another process's call, or one of ours that was lost, may be under way until then.
    pub(super) fn add_unheard(&mut self, touched: impl IntoIterator<Item = String>, until_ms: i64) {
        for id in touched {
            let until = self.unheard.entry(id).or_default();
            *until = until_ms.max(*until);
        }
    }

    /// Whether a call whose end we do not hear of may still be under way.
    pub(super) fn has_unheard(&self) -> bool {
        !self.unheard.is_empty()
    }

    /// Forgets calls that are over by now, or were to last for days by a clock that was wrong.
    pub(super) fn forget(&mut self, now_ms: i64) {
        self.unheard.retain(|_, until| (now_ms + 1..now_ms + LONGEST_CALL).contains(until));
    }

    /// Whether a call under way touches this record.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ours.contains_key(id) || self.unheard.contains_key(id)
    }
}
