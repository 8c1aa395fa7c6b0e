//! Done, retry, wait for the parent, dead letter, or stop the lane: a table from Salesforce's codes to reactions.
//!
//! Source: SOAP API Developer Guide, "Core Data Types", StatusCode; REST uses the same codes.

use crate::salesforce::Outcome;

/// What is to be done with a record after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Done,
    /// It failed for a passing reason: again later.
    Retry,
    /// The record it points to is not there yet: again later, and the parent may have to be read from Stripe.
    WaitForParent,
    /// It will fail the same way again until its content or the org changes.
    DeadLetter,
    /// The org is not set up for us; no record of this lane can do better until a person mends it.
    StopLane,
}

const PASSING: [&str; 22] = [
    // Ours: the org answers, but not to this record.
    "NO_ANSWER",
    "UNABLE_TO_LOCK_ROW",
    "REQUEST_LIMIT_EXCEEDED",
    "SERVER_UNAVAILABLE",
    "API_CURRENTLY_DISABLED",
    "QUERY_TIMEOUT",
    "REQUEST_RUNNING_TOO_LONG",
    "TOO_MANY_APEX_REQUESTS",
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
    "INVALID_READ_ONLY_USER_DML",
    "TERRITORY_REALIGN_IN_PROGRESS",
    "TOO_MANY_JOBS",
    "REALTIME_PROCESSING_TIME_EXCEEDED_LIMIT",
    "LIMIT_EXCEEDED",
    "UNKNOWN_EXCEPTION",
    "INTERNAL_ERROR",
    "INVALID_SERVER_ERROR",
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "PROCESSING_HALTED",
    // A trigger or flow of the org failed. Its message can hide a lock; it gets its tries.
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    "CANNOT_EXECUTE_FLOW_TRIGGER",
    // Deleted between finding and writing; the next upsert creates it anew.
    "ENTITY_IS_DELETED",
];

const NOT_SET_UP: [&str; 21] = [
    "INVALID_FIELD",
    "INVALID_TYPE",
    "NOT_FOUND",
    "INVALID_EXTERNAL_ID_FIELD_NAME",
    "INVALID_ENTITY_FOR_UPSERT",
    "INVALID_TYPE_FOR_OPERATION",
    "INVALID_FIELD_FOR_INSERT_UPDATE",
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "FUNCTIONALITY_NOT_ENABLED",
    "UNSUPPORTED_API_VERSION",
    "INVALID_VERSION",
    "STORAGE_LIMIT_EXCEEDED",
    "EXCEEDED_QUOTA",
    "LICENSE_LIMIT_EXCEEDED",
    "CUSTOM_ENTITY_OR_FIELD_LIMIT",
    "INVALID_SESSION_ID",
    "API_DISABLED_FOR_ORG",
    "CLIENT_NOT_ACCESSIBLE_FOR_USER",
    "INACTIVE_OWNER_OR_USER",
    "ORG_LOCKED",
];

/// Judges what became of one record. Codes that are not in the table are permanent: they speak of this record.
pub fn judge(outcome: &Outcome) -> Verdict {
    let Outcome::Refused { code, message, .. } = outcome else { return Verdict::Done };
    // One code serves for two faults; only the text tells a missing parent from a missing field.
    if code == "INVALID_FIELD" && message.starts_with("Foreign key external ID") {
        return Verdict::WaitForParent;
    }
    match code.as_str() {
        code if PASSING.contains(&code) => Verdict::Retry,
        code if NOT_SET_UP.contains(&code) => Verdict::StopLane,
        _ => Verdict::DeadLetter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Verdict {
        judge(&Outcome::Refused { code: code.to_owned(), message: message.to_owned(), fields: Vec::new() })
    }

    #[test]
    fn codes_lead_to_reactions() {
        assert_eq!(judge(&Outcome::Accepted { record_id: String::new(), created: true }), Verdict::Done);
        for code in PASSING {
            assert_eq!(refused(code, ""), Verdict::Retry, "{code}");
        }
        for code in NOT_SET_UP {
            assert_eq!(
                refused(code, "No such column 'X__c' on sobject of type Y"),
                Verdict::StopLane,
                "{code}"
            );
        }
        let missing =
            "Foreign key external ID: cus_1 not found for field Stripe_Id__c in entity Stripe_Customer__c";
        assert_eq!(refused("INVALID_FIELD", missing), Verdict::WaitForParent);
        for code in
            ["REQUIRED_FIELD_MISSING", "STRING_TOO_LONG", "DUPLICATE_VALUE", "MALFORMED_ID", "NEVER_HEARD_OF"]
        {
            assert_eq!(refused(code, ""), Verdict::DeadLetter, "{code}");
        }
    }
}
