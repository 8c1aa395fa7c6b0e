//! Which of two states of one record is newer, whatever order they arrive in.
//!
//! The event's second decides; inside one second the object's own progress; if that cannot tell and the states differ,
//! the object has to be read from Stripe. Until then the event's id decides, the same way in every order of arrival.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::store::outbox::Position;

/// How an arriving state stands to the known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It replaces the known one.
    Newer,
    /// It is dropped.
    Older,
    /// The payloads cannot tell. One is kept for now, and the object is to be read again.
    Undecided {
        /// Whether the arriving state is the one to keep.
        keep_arriving: bool,
    },
}

/// Compares an arriving state with the known one. `fields` are JSON objects.
pub fn compare(known: (&Position, &str), arriving: (&Position, &str)) -> Order {
    let (known_at, known_fields) = known;
    let (arriving_at, arriving_fields) = arriving;
    let time_and_progress = |position: &Position| (position.created, position.progress);
    match time_and_progress(arriving_at).cmp(&time_and_progress(known_at)) {
        Ordering::Greater => Order::Newer,
        Ordering::Less => Order::Older,
        Ordering::Equal => {
            let keep_arriving = arriving_at.event_id > known_at.event_id;
            if arriving_at.event_id != known_at.event_id && !same_state(known_fields, arriving_fields) {
                Order::Undecided { keep_arriving }
            } else if keep_arriving {
                Order::Newer
            } else {
                Order::Older
            }
        }
    }
}

/// Whether two sets of fields say the same of the object; which event said it does not count.
fn same_state(one: &str, other: &str) -> bool {
    fn state(fields: &str) -> Option<BTreeMap<&str, &str>> {
        let mut fields: BTreeMap<&str, &RawValue> = serde_json::from_str(fields).ok()?;
        fields.remove("Last_Event_Id__c");
        Some(fields.into_iter().map(|(name, value)| (name, value.get())).collect())
    }
    state(one).is_some_and(|one| Some(one) == state(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(created: i64, progress: i64, event_id: &str) -> Position {
        Position { created, progress, event_id: event_id.to_owned() }
    }

    #[test]
    fn time_then_progress_then_the_state_itself_decide() {
        let known = position(10, 5, "evt_m");
        let fields = r#"{"Status__c":"Pending","Last_Event_Id__c":"evt_m"}"#;
        for (created, progress, id, status, expected) in [
            (11, 0, "evt_a", "Completed", Order::Newer),
            (9, 9, "evt_z", "Completed", Order::Older),
            (10, 6, "evt_a", "Completed", Order::Newer),
            (10, 4, "evt_z", "Completed", Order::Older),
            (10, 5, "evt_z", "Pending", Order::Newer),
            (10, 5, "evt_a", "Pending", Order::Older),
            (10, 5, "evt_m", "Pending", Order::Older),
            (10, 5, "evt_z", "Failed", Order::Undecided { keep_arriving: true }),
            (10, 5, "evt_a", "Failed", Order::Undecided { keep_arriving: false }),
        ] {
            let arriving = format!(r#"{{"Last_Event_Id__c":"{id}","Status__c":"{status}"}}"#);
            let at = position(created, progress, id);
            assert_eq!(
                compare((&known, fields), (&at, &arriving)),
                expected,
                "{created} {progress} {id} {status}"
            );
        }
    }
}
