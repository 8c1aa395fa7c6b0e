//! Whether an org takes anything, how much at a time, and which objects wait until somebody mends them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::batch::CALL_LIMIT;
use crate::backoff;
use crate::clock::unix_ms;
use crate::config::DeliveryConfig;
use crate::metrics;
use crate::store::stops::Stop;

/// After so many halvings a call of a thousand records carries one.
const LAST_HALVING: u32 = 10;
/// Locked records make calls smaller down to a thirty-second part.
const MOST_CROWDING: u32 = 5;
/// Failures of calls, one after the other, from which on operators are shown that the lane is closed.
const WORTH_SHOWING: u32 = 3;

/// Why the lane closes.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub reason: String,
    /// It does not pass by itself.
    pub needs_person: bool,
    /// What was sent may be the reason: smaller calls find out.
    pub may_be_ours: bool,
    /// Not before, if the org said so.
    pub retry_after: Option<Duration>,
}

/// What operators are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Put(Stop),
    /// Records of these objects arrive; of an empty name: the org takes records. It is also said when we know of no cause:
    /// another process, or the one before this, may have put it there.
    Works(Vec<String>),
}

/// The state of the way to one org. It is told what happened, and knows no clock.
#[derive(Debug)]
pub(super) struct Lane {
    org: String,
    config: DeliveryConfig,
    /// Calls that failed as a whole, one after the other.
    failures: u32,
    /// Calls carry half as many records for each; grows with failures, goes back with successes.
    halvings: u32,
    /// The same for records that were locked; there are also fewer calls at a time.
    crowding: u32,
    /// Counts closings: calls that left before the last one say nothing about what is now.
    epoch: u64,
    closed: Option<Closed>,
    holds: BTreeMap<String, Hold>,
    signs: Vec<Sign>,
    counts: Arc<metrics::Org>,
}

#[derive(Debug)]
struct Closed {
    since: OffsetDateTime,
    until: OffsetDateTime,
    /// A person was told.
    alerted: bool,
    shown: bool,
}

/// An object whose records wait.
#[derive(Debug)]
struct Hold {
    failures: u32,
    since: OffsetDateTime,
    until: OffsetDateTime,
    reason: String,
    /// Some of them are under way to see whether it was mended.
    probing: bool,
}

impl Lane {
    pub(super) fn new(org: String, config: DeliveryConfig, counts: Arc<metrics::Org>) -> Self {
        Self {
            org,
            config,
            failures: 0,
            halvings: 0,
            crowding: 0,
            epoch: 0,
            closed: None,
            holds: BTreeMap::new(),
            signs: Vec::new(),
            counts,
        }
    }

    /// Nothing is sent before, if that is still to come.
    pub(super) fn closed_until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.closed.as_ref().map(|closed| closed.until).filter(|until| *until > now)
    }

    /// Calls that may be under way together. After a failure one goes ahead.
    pub(super) fn calls(&self) -> usize {
        let calls = usize::try_from(self.config.calls_in_flight).unwrap_or(1);
        if self.failures > 0 { 1 } else { (calls >> self.crowding).max(1) }
    }

    /// Records of one call.
    pub(super) fn records(&self) -> usize {
        (CALL_LIMIT >> (self.halvings + self.crowding).min(LAST_HALVING)).max(1)
    }

    /// Calls carry one record, so that the one that breaks them is found.
    pub(super) fn is_at_single_records(&self) -> bool {
        self.halvings >= LAST_HALVING
    }

    /// To be remembered by a call that leaves.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A call that left in `epoch` failed as a whole, or said that nothing is taken.
    pub(super) fn close(&mut self, epoch: u64, cause: Cause, now: OffsetDateTime, random: u64) {
        if epoch != self.epoch {
            // It left together with another one that failed; that one was counted.
            tracing::debug!(org = self.org, "another call failed: {}", cause.reason);
            return;
        }
        self.epoch += 1;
        self.failures += 1;
        if self.failures > 2 && cause.may_be_ours {
            self.halvings = (self.halvings + 1).min(LAST_HALVING);
        }
        let wait = backoff::wait(self.failures, self.config.backoff, self.config.backoff_limit, random);
        let wait = wait.max(cause.retry_after.unwrap_or(Duration::ZERO)) + Duration::from_millis(1);
        self.close_until(now + wait, &cause, now);
    }

    /// Closes the lane for a reason that is no failure.
    pub(super) fn pause(&mut self, until: OffsetDateTime, reason: &str, now: OffsetDateTime) {
        let cause =
            Cause { reason: reason.to_owned(), needs_person: false, may_be_ours: false, retry_after: None };
        if self.closed.as_ref().is_none_or(|closed| closed.until < until) {
            self.close_until(until, &cause, now);
        }
    }

    /// What it paused for is over.
    pub(super) fn resume(&mut self) {
        if self.failures == 0 {
            self.open();
        }
    }

    fn open(&mut self) {
        let Some(closed) = self.closed.take() else { return };
        self.counts.lane_opened();
        tracing::info!(org = self.org, "delivery goes on");
        if closed.shown {
            self.signs.push(Sign::Works(vec![String::new()]));
        }
    }

    fn close_until(&mut self, until: OffsetDateTime, cause: &Cause, now: OffsetDateTime) {
        let closed = self.closed.get_or_insert(Closed { since: now, until, alerted: false, shown: false });
        closed.until = until;
        self.counts.lane_closed(until, &cause.reason, cause.needs_person || closed.alerted);
        let (org, failures, reason) = (self.org.as_str(), self.failures, cause.reason.as_str());
        if cause.needs_person && !closed.alerted {
            closed.alerted = true;
            tracing::error!(org, %until, "delivery stopped until somebody mends this; nothing is lost: {reason}");
        } else {
            tracing::warn!(org, failures, %until, "delivery waits; nothing is lost: {reason}");
        }
        if cause.needs_person || failures >= WORTH_SHOWING || failures == 0 || closed.shown {
            closed.shown = true;
            self.signs.push(Sign::Put(Stop {
                org: self.org.clone(),
                sobject: String::new(),
                since: unix_ms(closed.since),
                next_try: unix_ms(until),
                needs_person: closed.alerted,
                reason: cause.reason.clone(),
            }));
        }
    }

    /// A call that left in `epoch` was answered; `locked` if records of it were. Of the objects in `works`, records arrived.
    pub(super) fn answered(&mut self, epoch: u64, locked: bool, works: &BTreeSet<String>) {
        self.crowding =
            if locked { (self.crowding + 1).min(MOST_CROWDING) } else { self.crowding.saturating_sub(1) };
        for sobject in works {
            if self.holds.remove(sobject).is_some() {
                tracing::info!(org = self.org, sobject, "records of {sobject} go on");
            }
        }
        let mut working: Vec<String> = works.iter().cloned().collect();
        if epoch == self.epoch {
            working.push(String::new());
            self.reopen();
        }
        self.signs.push(Sign::Works(working));
    }

    fn reopen(&mut self) {
        self.failures = 0;
        self.halvings = self.halvings.saturating_sub(1);
        self.open();
    }

    /// Objects whose records wait, until when (milliseconds since 1970) and why.
    pub(super) fn held(&self, now: OffsetDateTime) -> Vec<(String, i64, String)> {
        let held = self.holds.iter().filter(|(_, hold)| hold.until > now);
        held.map(|(sobject, hold)| (sobject.clone(), unix_ms(hold.until), hold.reason.clone())).collect()
    }

    /// The objects of which some records go ahead to see if they were mended.
    pub(super) fn probed(&self) -> BTreeSet<String> {
        self.holds.keys().cloned().collect()
    }

    /// Records of this object go ahead; until `until` no others do.
    pub(super) fn probe(&mut self, sobject: &str, until: OffsetDateTime) {
        if let Some(hold) = self.holds.get_mut(sobject) {
            hold.until = until;
            hold.probing = true;
        }
    }

    /// The call that went ahead came to nothing: another one may.
    pub(super) fn probe_failed(&mut self, sobject: &str, now: OffsetDateTime) {
        if let Some(hold) = self.holds.get_mut(sobject) {
            hold.until = now;
            hold.probing = false;
        }
    }

    /// None of this object's records are taken until somebody mends it.
    pub(super) fn hold(&mut self, sobject: &str, reason: &str, now: OffsetDateTime, random: u64) {
        if self.holds.get(sobject).is_some_and(|hold| hold.until > now && !hold.probing) {
            // Calls that left before found the same.
            return;
        }
        let known = self.holds.get(sobject).map(|hold| (hold.failures, hold.since));
        let (failures, since) = known.map_or((1, now), |(failures, since)| (failures + 1, since));
        let wait = backoff::wait(failures, self.config.backoff, self.config.backoff_limit, random);
        let until = now + wait + Duration::from_millis(1);
        let org = self.org.as_str();
        if known.is_none() {
            tracing::error!(org, sobject, %until, "records of {sobject} wait until somebody mends this; nothing is lost: {reason}");
        } else {
            tracing::warn!(org, sobject, failures, %until, "records of {sobject} still wait: {reason}");
        }
        self.signs.push(Sign::Put(Stop {
            org: self.org.clone(),
            sobject: sobject.to_owned(),
            since: unix_ms(since),
            next_try: unix_ms(until),
            needs_person: true,
            reason: reason.to_owned(),
        }));
        self.holds.insert(
            sobject.to_owned(),
            Hold { failures, since, until, reason: reason.to_owned(), probing: false },
        );
    }

    /// What operators are to be shown since the last time.
    pub(super) fn take_signs(&mut self) -> Vec<Sign> {
        std::mem::take(&mut self.signs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn lane() -> Lane {
        let config = DeliveryConfig {
            calls_in_flight: 4,
            max_attempts: 5,
            backoff: Duration::from_secs(1),
            backoff_limit: Duration::from_secs(300),
            lease: Duration::from_secs(180),
            parent_wait: Duration::from_secs(86_400),
        };
        Lane::new("main".to_owned(), config, Metrics::default().org("main"))
    }

    fn cause(needs_person: bool, may_be_ours: bool) -> Cause {
        Cause { reason: "no".to_owned(), needs_person, may_be_ours, retry_after: None }
    }

    fn shown(lane: &mut Lane) -> Vec<(String, bool)> {
        let put = |sign| match sign {
            Sign::Put(stop) => Some((stop.sobject, stop.needs_person)),
            Sign::Works(_) => None,
        };
        lane.take_signs().into_iter().filter_map(put).collect()
    }

    #[test]
    fn calls_that_fail_together_are_one_failure() {
        let (mut lane, now) = (lane(), OffsetDateTime::UNIX_EPOCH);
        let epoch = lane.epoch();
        assert_eq!((lane.calls(), lane.closed_until(now)), (4, None));
        (0..4).for_each(|_| lane.close(epoch, cause(false, true), now, u64::MAX));
        let first_wait = lane.closed_until(now).unwrap() - now;
        assert!(first_wait <= Duration::from_millis(1_001), "{first_wait}");
        assert_eq!((lane.calls(), lane.records()), (1, CALL_LIMIT), "one goes ahead");
        // A call that had left before was answered: it says nothing about what is now.
        lane.answered(epoch, false, &BTreeSet::new());
        assert_eq!(lane.calls(), 1);
        lane.answered(lane.epoch(), false, &BTreeSet::new());
        assert_eq!((lane.calls(), lane.closed_until(now)), (4, None));
    }

    #[test]
    fn calls_get_smaller_only_when_what_they_carry_may_be_the_reason() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for (may_be_ours, records) in [(true, 1), (false, CALL_LIMIT)] {
            let mut lane = lane();
            (0..12).for_each(|_| lane.close(lane.epoch(), cause(false, may_be_ours), now, 0));
            assert_eq!(lane.records(), records);
        }
        let mut lane = lane();
        lane.answered(lane.epoch(), true, &BTreeSet::new());
        assert_eq!((lane.records(), lane.calls()), (CALL_LIMIT / 2, 2), "locked records need room");
        lane.answered(lane.epoch(), false, &BTreeSet::new());
        assert_eq!((lane.records(), lane.calls()), (CALL_LIMIT, 4));
    }

    #[test]
    fn operators_are_shown_what_lasts() {
        let (mut lane, now) = (lane(), OffsetDateTime::UNIX_EPOCH);
        lane.close(lane.epoch(), cause(false, true), now, 0);
        assert_eq!(shown(&mut lane), [], "one failure is no news");
        lane.close(lane.epoch(), cause(true, false), now, 0);
        assert_eq!(shown(&mut lane), [(String::new(), true)]);
    }

    #[test]
    fn an_object_is_probed_until_a_record_of_it_arrives() {
        let (mut lane, now) = (lane(), OffsetDateTime::UNIX_EPOCH);
        let held = |lane: &Lane, now| lane.held(now).first().map(|(_, until, _)| *until);
        // Two calls that had left together find the same.
        (0..2).for_each(|_| lane.hold("Charge", "no such column", now, u64::MAX));
        assert_eq!(shown(&mut lane), [("Charge".to_owned(), true)]);
        let later = now + Duration::from_secs(2);
        assert!(
            held(&lane, now).is_some() && held(&lane, later).is_none() && lane.probed().contains("Charge")
        );
        let lease_ends = later + Duration::from_secs(180);
        lane.probe("Charge", lease_ends);
        assert_eq!(held(&lane, later), Some(unix_ms(lease_ends)), "one call goes ahead");
        lane.hold("Charge", "no such column", later, u64::MAX);
        assert!(held(&lane, later).unwrap() < unix_ms(lease_ends));
        assert_eq!(lane.calls(), 4, "others go on");
        lane.answered(lane.epoch(), false, &BTreeSet::from(["Charge".to_owned()]));
        assert!(!lane.probed().contains("Charge") && held(&lane, later).is_none());
    }
}
