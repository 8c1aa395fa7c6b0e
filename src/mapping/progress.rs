//! How far an object has got, as one number, for states of the same second.
//!
//! The parts count in this order: the stage (ended beats running, anything beats the event that announced the object),
//! then what only ever grows. Equal numbers mean that the payload cannot tell.

use super::condition::When;
use super::file::{Item, Node};
use super::paths::{Found, Slot, elements};
use super::scope::{Absent, Scope};

/// One step of the stage outweighs every amount (Stripe's have at most 12 digits).
const STAGE: i64 = 1_000_000_000_000_000_000;
/// As many as fit.
const STAGES: usize = 8;

/// How the states of one object follow each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    stages: Vec<When>,
    grows: Vec<Slot>,
}

impl Progress {
    /// Reads `order = { stages = [conditions], grows = [paths] }`.
    pub(super) fn compile(item: &Item, scope: &mut Scope<'_>) -> Self {
        let Node::Table(table) = &item.node else {
            scope.fault(&item.place, "`order` is written { stages = […], grows = […] }".to_owned());
            return Self::default();
        };
        scope.refuse_unknown(table, &["stages", "grows"], "`order`");
        let list = |name: &str, scope: &mut Scope<'_>| match table.get(name) {
            None => Vec::new(),
            Some(Item { node: Node::List(items), .. }) => items.clone(),
            Some(other) => {
                scope.fault(&other.place, format!("`{name}` is a list"));
                Vec::new()
            }
        };
        let stages = list("stages", scope);
        if stages.len() > STAGES {
            scope.fault(&item.place, format!("there can be at most {STAGES} stages"));
        }
        let grows = list("grows", scope);
        let grows = grows.iter().filter_map(|path| {
            let text = scope.text(path, "grows")?.to_owned();
            Some(scope.slot(&text, path, Absent::IsFine))
        });
        let grows = grows.collect();
        Self { stages: stages.iter().map(|stage| When::compile(stage, scope)).collect(), grows }
    }

    /// The number of a state: the last stage that holds, and the sum of what grows.
    pub(super) fn of(&self, found: &Found<'_>) -> i64 {
        let stage = self.stages.iter().rposition(|stage| stage.holds(found)).map_or(0, |at| at + 1);
        let grown = self.grows.iter().filter_map(|slot| size(found.value(*slot)?));
        let grown = grown.fold(0_i64, i64::saturating_add).clamp(0, STAGE - 1);
        i64::try_from(stage.min(STAGES)).unwrap_or(0) * STAGE + grown
    }
}

/// A number itself, or how many elements a list has.
fn size(value: &str) -> Option<i64> {
    match value.parse() {
        Ok(number) => Some(number),
        Err(_) if value.starts_with('[') => i64::try_from(elements(value).ok()?.len()).ok(),
        Err(_) => None,
    }
}
