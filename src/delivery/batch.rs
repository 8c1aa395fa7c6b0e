//! Which changes travel together: up to five collections of 200 records, parents before children.
//!
//! Source: REST API Developer Guide, "Composite" (25 subrequests, 5 of them collections) and "sObject Collections" (200).

use std::sync::Arc;

use crate::store::outbox::Leased;

/// Records of one collection.
const RECORDS: usize = 200;
/// Collections of one call.
const COLLECTIONS: usize = 5;
/// Bytes of fields in one call. What Salesforce takes is not documented for REST; callouts of its own stop at 6 MB.
const BYTES: usize = 4_000_000;
/// Records of one call.
pub const CALL_LIMIT: usize = RECORDS * COLLECTIONS;

/// What fits into one call, as collections in the order of sending, and what does not.
#[derive(Debug)]
pub struct Packed {
    /// Each holds rows of one object.
    pub collections: Vec<Vec<Leased>>,
    /// Rows for another call.
    pub left_over: Vec<Leased>,
}

/// Packs rows into one call, parents first. What does not fit, children rather than parents, is for another call.
/// `parents_first` names the objects, each after those that it can point to; others come after these.
pub fn pack(mut rows: Vec<Leased>, parents_first: &[Arc<str>]) -> Packed {
    let rank =
        |sobject: &str| parents_first.iter().position(|known| **known == *sobject).unwrap_or(usize::MAX);
    rows.sort_by(|a, b| (rank(&a.sobject), &a.sobject, a.id).cmp(&(rank(&b.sobject), &b.sobject, b.id)));
    let mut collections: Vec<Vec<Leased>> = Vec::new();
    let (mut left_over, mut bytes) = (Vec::new(), 0);
    for row in rows {
        bytes += row.fields.len();
        if bytes > BYTES && !collections.is_empty() {
            left_over.push(row);
            continue;
        }
        match collections.last_mut() {
            Some(last) if last.len() < RECORDS && last[0].sobject == row.sobject => last.push(row),
            _ => collections.push(vec![row]),
        }
    }
    // Cut at the end: what is left over are children, which could not arrive before their parents anyway.
    left_over.extend(collections.drain(collections.len().min(COLLECTIONS)..).flatten());
    Packed { collections, left_over }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Vec<Arc<str>> {
        ["Stripe_Customer__c", "Stripe_Charge__c", "Stripe_Refund__c"].map(Arc::from).to_vec()
    }

    fn rows(sobject: &str, count: i64) -> Vec<Leased> {
        let row = |id| Leased {
            id,
            account: "main".to_owned(),
            sobject: sobject.to_owned(),
            external_id: format!("x_{id}"),
            event_id: "evt".to_owned(),
            fields: "{}".to_owned(),
            parents: "[]".to_owned(),
            attempts: 1,
            waiting_since: None,
            due_at: 0,
            mapping_version: String::new(),
        };
        (0..count).map(row).collect()
    }

    fn shape(packed: &Packed) -> Vec<(&str, usize)> {
        packed.collections.iter().map(|c| (c[0].sobject.as_str(), c.len())).collect()
    }

    #[test]
    fn parents_travel_before_children_in_one_call() {
        let mixed = [rows("Stripe_Refund__c", 2), rows("Stripe_Customer__c", 1), rows("Stripe_Charge__c", 3)]
            .concat();
        let packed = pack(mixed, &order());
        assert_eq!(
            shape(&packed),
            [("Stripe_Customer__c", 1), ("Stripe_Charge__c", 3), ("Stripe_Refund__c", 2)]
        );
        assert!(packed.left_over.is_empty());
    }

    #[test]
    fn a_call_of_long_texts_carries_fewer_records() {
        let mut long = rows("Stripe_Customer__c", 300);
        long.iter_mut().for_each(|row| row.fields = "x".repeat(30_000));
        let packed = pack(long, &order());
        assert_eq!((shape(&packed), packed.left_over.len()), (vec![("Stripe_Customer__c", 133)], 167));
        let mut huge = rows("Stripe_Customer__c", 1);
        huge[0].fields = "x".repeat(BYTES + 1);
        assert_eq!(pack(huge, &order()).collections.len(), 1, "a record alone always travels");
    }

    #[test]
    fn a_call_takes_five_collections_of_two_hundred() {
        let packed = pack(rows("Stripe_Charge__c", 1_000), &order());
        assert_eq!(shape(&packed), [("Stripe_Charge__c", 200); 5]);
        let mixed =
            [rows("Stripe_Charge__c", 801), rows("Stripe_Refund__c", 189), rows("Stripe_Customer__c", 10)];
        let packed = pack(mixed.concat(), &order());
        let charges = [("Stripe_Charge__c", 200); 4];
        assert_eq!(shape(&packed), [&[("Stripe_Customer__c", 10)], charges.as_slice()].concat());
        assert_eq!(packed.left_over.len(), 190, "children wait rather than parents");
    }
}
