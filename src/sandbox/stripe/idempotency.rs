//! Idempotency keys: the first answer is given again, and only one call at a time may use a key.
//!
//! Source: docs.stripe.com/api/idempotent_requests — answers of executed calls are kept, failures and 500s too;
//! failed validation, conflicts and rate limits are not. Keys may go once they are 24 hours old.

use std::collections::HashMap;

use super::errors::Refusal;
use super::server::Reply;

const KEPT_SECONDS: i64 = 24 * 60 * 60;

/// What a call asked for; the same key must come with the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) pairs: Vec<(String, String)>,
}

/// The keys of an account.
#[derive(Default)]
pub(super) struct Keys(HashMap<String, Use>);

struct Use {
    asked: Asked,
    at: i64,
    answer: Option<Reply>,
}

impl Keys {
    /// Takes the key for a call: `None` to go on, or the answer that was given before.
    pub(super) fn claim(&mut self, key: &str, asked: &Asked, now: i64) -> Result<Option<Reply>, Refusal> {
        if key.is_empty() || key.chars().count() > 255 {
            let message = "Invalid Idempotency-Key: it must have between 1 and 255 characters.";
            return Err(Refusal::invalid(message));
        }
        let known = self.0.get(key).filter(|used| used.answer.is_none() || now - used.at < KEPT_SECONDS);
        match known {
            Some(Use { answer: None, .. }) => Err(Refusal::key_in_use(key)),
            Some(used) if used.asked != *asked => Err(Refusal::key_reused(key)),
            Some(used) => Ok(used.answer.clone()),
            None => {
                self.0.insert(key.to_owned(), Use { asked: asked.clone(), at: now, answer: None });
                Ok(None)
            }
        }
    }

    /// Ends the use of a key: with an answer to keep, or as if it had never been used.
    pub(super) fn release(&mut self, key: &str, answer: Option<Reply>) {
        match answer {
            None => {
                self.0.remove(key);
            }
            Some(answer) => {
                if let Some(used) = self.0.get_mut(key) {
                    used.answer = Some(answer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(amount: &str) -> Asked {
        Asked {
            path: "/v1/payment_intents".to_owned(),
            pairs: vec![("amount".to_owned(), amount.to_owned())],
        }
    }

    #[test]
    fn a_key_is_claimed_replayed_and_forgotten() {
        let mut keys = Keys::default();
        assert!(keys.claim("k", &asked("1"), 0).unwrap().is_none());
        assert_eq!(keys.claim("k", &asked("1"), 0).unwrap_err().status(), 409);
        keys.release("k", Some(Reply::new(200, "first".to_owned())));
        assert_eq!(keys.claim("k", &asked("1"), 86_399).unwrap().unwrap().body, "first");
        assert_eq!(keys.claim("k", &asked("2"), 86_399).unwrap_err().status(), 400);
        assert!(keys.claim("k", &asked("2"), 86_400).unwrap().is_none());
        keys.release("k", None);
        assert!(keys.claim("k", &asked("3"), 86_400).unwrap().is_none());
        assert!(keys.claim(&"k".repeat(256), &asked("1"), 0).is_err());
    }
}
