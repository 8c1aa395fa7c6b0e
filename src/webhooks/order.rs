//! Which of two states of one record is newer, whatever order they arrive in, and what the older one still has to say.
//!
//! The event's second decides; inside one second the object's own progress; if that cannot tell and the states differ,
//! the object has to be read from Stripe. Until then the event's id decides, the same way in every order of arrival.
//!
//! A state need not speak of every field: one that names no Opportunity says nothing about the link. Such a field keeps what
//! the newest state that spoke of it said, so that here, too, the order of arrival makes no difference. Several objects may
//! write one record in this way: each field has what was said of it last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::store::outbox::Position;

/// A state of a record, as far as it is merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How new it is.
    pub position: Position,
    /// JSON object: all fields, carried ones included.
    pub fields: String,
    /// JSON object: of each carried field, the position of the state that spoke of it.
    pub carried: String,
}

/// What comes of two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The state that stands now, if it is another than before.
    pub changed: Option<State>,
    /// Whether it is built on the arriving one.
    pub arriving_is_newer: bool,
    /// The payloads cannot tell which is newer; the object is to be read again.
    pub undecided: bool,
}

type Fields<'a> = BTreeMap<&'a str, &'a RawValue>;
type Carried<'a> = BTreeMap<&'a str, At<'a>>;

/// A position as it is written into `carried`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct At<'a>(i64, i64, #[serde(borrow)] &'a str);

/// Merges an arriving state into the known one. Errors: what is stored is no JSON of that form.
pub fn merge(known: &State, arriving: &State) -> Result<Merged, serde_json::Error> {
    let (known_says, arriving_says) = (Parsed::read(known)?, Parsed::read(arriving)?);
    let arriving_is_newer = arriving.position > known.position;
    let undecided = known_says.contradicts(position_of(known), &arriving_says, position_of(arriving));
    let (newer, older, newer_says, older_says) = if arriving_is_newer {
        (arriving, known, arriving_says, known_says)
    } else {
        (known, arriving, known_says, arriving_says)
    };
    let state = newer_says.over(older_says, newer, older)?;
    let changed = (arriving_is_newer || state.fields != known.fields || state.carried != known.carried)
        .then_some(state);
    Ok(Merged { changed, arriving_is_newer, undecided })
}

/// The fields of a state, its own apart from those it carries.
struct Parsed<'a> {
    own: Fields<'a>,
    carried: Fields<'a>,
    spoken_at: Carried<'a>,
}

impl<'a> Parsed<'a> {
    fn read(state: &'a State) -> Result<Self, serde_json::Error> {
        let mut own: Fields<'a> = serde_json::from_str(&state.fields)?;
        let spoken_at: Carried<'a> = serde_json::from_str(&state.carried)?;
        let carried = spoken_at.keys().filter_map(|name| own.remove_entry(name)).collect();
        Ok(Self { own, carried, spoken_at })
    }

    /// Whether two events of one second, equally far, say different things of a field. Which event said it does not count.
    fn contradicts(&self, at: At<'_>, other: &Self, other_at: At<'_>) -> bool {
        let tied = |a: At<'_>, b: At<'_>| (a.0, a.1) == (b.0, b.1) && a.2 != b.2;
        other.spoken(other_at).any(|(name, other_at, other_value)| {
            name != "Last_Event_Id__c"
                && self
                    .of(name, at)
                    .is_some_and(|(at, value)| tied(at, other_at) && value.get() != other_value.get())
        })
    }

    /// All fields, each with the position of the state that spoke of it.
    fn spoken<'s>(&'s self, at: At<'s>) -> impl Iterator<Item = (&'s str, At<'s>, &'s RawValue)> {
        let own = self.own.iter().map(move |(name, value)| (*name, at, *value));
        let carried = self.carried.iter();
        own.chain(carried.filter_map(|(name, value)| Some((*name, *self.spoken_at.get(name)?, *value))))
    }

    fn of<'s>(&'s self, name: &str, at: At<'s>) -> Option<(At<'s>, &'s RawValue)> {
        match self.own.get(name) {
            Some(value) => Some((at, value)),
            None => Some((*self.spoken_at.get(name)?, self.carried.get(name)?)),
        }
    }

    /// This newer state, carrying what only the older one, or either before, spoke of.
    fn over(self, older: Self, newer_at: &State, older_at: &State) -> Result<State, serde_json::Error> {
        let mut carried: BTreeMap<&str, (At<'_>, &RawValue)> = BTreeMap::new();
        let of_older = older.own.iter().map(|(name, value)| (*name, position_of(older_at), *value));
        let before = [(&self.carried, &self.spoken_at), (&older.carried, &older.spoken_at)];
        let before = before.into_iter().flat_map(|(values, at)| {
            values.iter().filter_map(|(name, value)| Some((*name, *at.get(name)?, *value)))
        });
        for (name, at, value) in of_older.chain(before) {
            if !self.own.contains_key(name) && carried.get(name).is_none_or(|(known, _)| *known < at) {
                carried.insert(name, (at, value));
            }
        }
        let as_before = carried.len() == self.spoken_at.len()
            && carried.iter().all(|(name, (at, _))| self.spoken_at.get(name) == Some(at));
        if as_before {
            return Ok(newer_at.clone());
        }
        let mut fields = self.own;
        fields.extend(carried.iter().map(|(name, (_, value))| (*name, *value)));
        let spoken_at: BTreeMap<&str, At<'_>> = carried.iter().map(|(name, (at, _))| (*name, *at)).collect();
        Ok(State {
            position: newer_at.position.clone(),
            fields: serde_json::to_string(&fields)?,
            carried: serde_json::to_string(&spoken_at)?,
        })
    }
}

fn position_of(state: &State) -> At<'_> {
    At(state.position.created, state.position.progress, &state.position.event_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(created: i64, progress: i64, event_id: &str, fields: &str) -> State {
        let position = Position { created, progress, event_id: event_id.to_owned() };
        let fields = format!(r#"{{"Last_Event_Id__c":"{event_id}"{fields}}}"#);
        State { position, fields, carried: "{}".to_owned() }
    }

    #[test]
    fn time_then_progress_then_the_state_itself_decide() {
        let known = state(10, 5, "evt_m", r#","Status__c":"Pending""#);
        for (created, progress, id, status, newer, undecided) in [
            (11, 0, "evt_a", "Completed", true, false),
            (9, 9, "evt_z", "Completed", false, false),
            (10, 6, "evt_a", "Completed", true, false),
            (10, 4, "evt_z", "Completed", false, false),
            (10, 5, "evt_z", "Pending", true, false),
            (10, 5, "evt_a", "Pending", false, false),
            (10, 5, "evt_m", "Pending", false, false),
            (10, 5, "evt_z", "Failed", true, true),
            (10, 5, "evt_a", "Failed", false, true),
        ] {
            let arriving = state(created, progress, id, &format!(r#","Status__c":"{status}""#));
            let merged = merge(&known, &arriving).unwrap();
            assert_eq!(
                (merged.arriving_is_newer, merged.undecided),
                (newer, undecided),
                "{created} {progress} {id}"
            );
            assert_eq!(merged.changed.is_some(), newer);
        }
    }

    /// A balance transaction says nothing of the charge's other fields, and so contradicts none of them.
    #[test]
    fn objects_that_write_one_record_are_compared_field_by_field() {
        let charge = state(10, 5, "evt_c", r#","Status__c":"Completed""#);
        let mut fee = state(10, 5, "evt_t", "");
        fee.fields = r#"{"Fee__c":1.50}"#.to_owned();
        let both = merge(&charge, &fee).unwrap();
        assert!(!both.undecided && both.arriving_is_newer);
        let both = both.changed.unwrap();
        assert_eq!(both.fields, r#"{"Fee__c":1.50,"Last_Event_Id__c":"evt_c","Status__c":"Completed"}"#);
        assert_eq!(merge(&fee, &charge).unwrap().changed, Some(both.clone()), "in every order");
        let late = state(10, 5, "evt_d", r#","Status__c":"Failed""#);
        assert!(merge(&both, &late).unwrap().undecided, "two events of the charge contradict each other");
        let older = state(9, 0, "evt_z", r#","Status__c":"Pending""#);
        assert_eq!(merge(&both, &older).unwrap().changed, None);
        let newer = state(10, 6, "evt_a", r#","Status__c":"Refunded""#);
        let fields = merge(&both, &newer).unwrap().changed.unwrap().fields;
        assert_eq!(fields, r#"{"Fee__c":1.50,"Last_Event_Id__c":"evt_a","Status__c":"Refunded"}"#);
    }

    /// Every order of states in which links come, change and go unmentioned ends in the same fields.
    #[test]
    fn what_a_state_does_not_speak_of_is_kept_in_every_order() {
        let states = [
            state(1, 0, "evt_1", r#","Account__c":"a1","Order__c":"o1","Status__c":"A""#),
            state(2, 0, "evt_2", r#","Account__c":"a2","Status__c":"B""#),
            state(3, 0, "evt_3", r#","Status__c":"C""#),
            state(4, 0, "evt_4", r#","Order__c":null,"Status__c":"D""#),
        ];
        let mut ends = std::collections::BTreeSet::new();
        for order in 0..256 {
            let picked: Vec<_> = (0..4).map(|place| (order >> (2 * place)) % 4).collect();
            let mut distinct = picked.clone();
            distinct.sort_unstable();
            distinct.dedup();
            if distinct.len() < 4 {
                continue;
            }
            let mut known = states[picked[0]].clone();
            for &next in &picked[1..] {
                known = merge(&known, &states[next]).unwrap().changed.unwrap_or(known);
            }
            ends.insert((known.fields, known.carried));
        }
        let fields = r#"{"Account__c":"a2","Last_Event_Id__c":"evt_4","Order__c":null,"Status__c":"D"}"#;
        let carried = r#"{"Account__c":[2,0,"evt_2"]}"#;
        assert_eq!(ends.into_iter().collect::<Vec<_>>(), [(fields.to_owned(), carried.to_owned())]);
    }
}
