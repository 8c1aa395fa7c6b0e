//! One call at work on the org: what it may see, what it locks, and what it takes back when it fails.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::failure::Failure;
use super::ids::RecordId;
use super::org::State;
use super::records::Row;
use super::schema::{Object, Schema};

/// Which call holds which record. A lock lasts until its call is answered.
#[derive(Debug, Default)]
pub(super) struct Locks(HashMap<RecordId, u64>);

impl Locks {
    /// Ends the locks that one call took.
    pub(super) fn release(&mut self, records: &[RecordId]) {
        for id in records {
            self.0.remove(id);
        }
    }
}

/// The org in the hands of one call.
pub(super) struct Transaction<'a> {
    pub schema: &'a Schema,
    pub state: &'a mut State,
    /// The version in the call's path, such as `v66.0`.
    pub version: &'a str,
    pub now: OffsetDateTime,
    /// Whether the org says that it is a sandbox.
    pub is_sandbox: bool,
    /// A fault: no record can be locked.
    pub all_locked: bool,
    /// The number of records in each collection that the call carries.
    pub collections: Vec<usize>,
    pub subrequests: usize,
    call: u64,
    locked: Vec<RecordId>,
    undo: Vec<Undo>,
}

struct Undo {
    object: usize,
    id: RecordId,
    before: Option<Row>,
}

/// A point to which a transaction can return.
pub(super) struct Savepoint(usize);

impl<'a> Transaction<'a> {
    pub(super) fn begin(
        schema: &'a Schema,
        state: &'a mut State,
        version: &'a str,
        now: OffsetDateTime,
    ) -> Self {
        state.calls_begun += 1;
        let call = state.calls_begun;
        Self {
            schema,
            state,
            version,
            now,
            is_sandbox: false,
            all_locked: false,
            collections: Vec::new(),
            subrequests: 0,
            call,
            locked: Vec::new(),
            undo: Vec::new(),
        }
    }

    /// The object called `name`, and where its records are. Platform events have none.
    pub(super) fn object(&self, name: &str) -> Result<(usize, &'a Object), Failure> {
        self.any_object(name).and_then(|(at, object)| match object.is_event() {
            false => Ok((at, object)),
            true => {
                let message = format!("entity type {name} does not support this");
                Err(Failure::new("INVALID_TYPE_FOR_OPERATION", message))
            }
        })
    }

    /// The object or platform event called `name`, and where it stands.
    pub(super) fn any_object(&self, name: &str) -> Result<(usize, &'a Object), Failure> {
        let schema = self.schema;
        let at = schema.position(name);
        at.map(|at| (at, &schema.objects()[at]))
            .ok_or_else(|| Failure::not_found("The requested resource does not exist"))
    }

    /// Stores a record, or removes it, so that it can be taken back.
    pub(super) fn replace(&mut self, object: usize, id: RecordId, row: Option<Row>) {
        let before = self.state.records.replace(self.schema, object, id, row);
        self.undo.push(Undo { object, id, before });
    }

    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Takes back everything since `savepoint`. Locks stay, as they do in the platform's database.
    pub(super) fn roll_back(&mut self, savepoint: &Savepoint) {
        while self.undo.len() > savepoint.0 {
            if let Some(Undo { object, id, before }) = self.undo.pop() {
                self.state.records.replace(self.schema, object, id, before);
            }
        }
    }

    /// Locks `records` for this call, or none of them when another call holds one.
    pub(super) fn lock(&mut self, records: &[RecordId]) -> Result<(), Failure> {
        let held_by_another =
            |id: &&RecordId| self.state.locks.0.get(id).is_some_and(|call| *call != self.call);
        let taken = if self.all_locked { records.first() } else { records.iter().find(held_by_another) };
        if let Some(id) = taken {
            let message = format!("unable to obtain exclusive access to this record or 1 records: {id}");
            return Err(Failure::new("UNABLE_TO_LOCK_ROW", message));
        }
        for id in records {
            if self.state.locks.0.insert(*id, self.call).is_none() {
                self.locked.push(*id);
            }
        }
        Ok(())
    }

    /// Ends the work; the records it locked stay locked until they are released.
    pub(super) fn finish(self) -> Vec<RecordId> {
        self.locked
    }
}
