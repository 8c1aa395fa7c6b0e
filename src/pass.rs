//! Whether there may be traffic with an outside party, as one answer that all who speak with it share.

use std::sync::{Arc, PoisonError, RwLock};

/// The answer. Clones share it; at first nobody guards the party and everything may go on.
#[derive(Clone, Debug, Default)]
pub struct Pass(Arc<RwLock<State>>);

/// What is known of the party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody looks who it is.
    #[default]
    Unguarded,
    /// Nobody knows yet who it is.
    Unknown,
    /// It is the one it should be.
    Open(Arc<str>),
    /// It is another one, or the wrong kind; why, for people.
    Closed(Arc<str>),
}

impl Pass {
    /// The answer now.
    pub fn state(&self) -> State {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the answer and says whether it was another one before.
    pub fn set(&self, state: State) -> bool {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *held != state;
        *held = state;
        changed
    }

    /// The party's id, when it may be spoken with and is known.
    pub fn identity(&self) -> Option<Arc<str>> {
        match self.state() {
            State::Open(identity) => Some(identity),
            _ => None,
        }
    }

    /// Why there is no traffic, when a person has to act.
    pub fn closed(&self) -> Option<Arc<str>> {
        match self.state() {
            State::Closed(why) => Some(why),
            _ => None,
        }
    }
}
