//! Done, retry, wait for the parent, dead letter, hold the object, pause or stop the lane: a table from Salesforce's codes
//! to reactions.
//!
//! Source: SOAP API Developer Guide, "Core Data Types", ExceptionCode and StatusCode; REST uses the same codes, and says that
//! there are others besides.

use crate::salesforce::Outcome;

/// What is to be done with a record after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It arrived.
    Done,
    /// It failed for a passing reason: again later, so many times.
    Retry,
    /// The record it points to is not there yet: again later, and the parent may have to be read from Stripe.
    WaitForParent,
    /// It arrived, and the org takes no more events for now: both again later, for as long as that lasts.
    TellLater,
    /// It will fail the same way again until its content or the org changes.
    DeadLetter,
    /// Something about its object is not set up: none of its records can do better until a person mends it. Where others of
    /// the same object arrive, it is about this record after all, and it gets its tries.
    HoldObject,
    /// The org takes nothing from anybody for a while. Where other records arrive, it is about this record after all, and it
    /// gets its tries.
    PauseLane,
    /// The org takes nothing from us until a person mends it.
    StopLane,
}

use Verdict::{DeadLetter, HoldObject, PauseLane, Retry, StopLane, TellLater};

const TABLE: &[(Verdict, &[&str])] = &[
    (
        Retry,
        &[
            // Ours: the org answers, but not to this record.
            "NO_ANSWER",
            "UNABLE_TO_LOCK_ROW",
            "REQUEST_LIMIT_EXCEEDED",
            "QUERY_TIMEOUT",
            "REQUEST_RUNNING_TOO_LONG",
            "TOO_MANY_APEX_REQUESTS",
            "TERRITORY_REALIGN_IN_PROGRESS",
            "TOO_MANY_JOBS",
            "REALTIME_PROCESSING_TIME_EXCEEDED_LIMIT",
            "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE",
            "PLATFORM_EVENT_PUBLISH_FAILED",
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
        ],
    ),
    (
        PauseLane,
        &[
            "SERVER_UNAVAILABLE",
            "API_CURRENTLY_DISABLED",
            "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
            "INVALID_READ_ONLY_USER_DML",
        ],
    ),
    (
        StopLane,
        &[
            // We may not come in.
            "INVALID_SESSION_ID",
            "INVALID_AUTH_HEADER",
            "INVALID_LOGIN",
            "LOGIN_DURING_RESTRICTED_DOMAIN",
            "LOGIN_DURING_RESTRICTED_TIME",
            "PASSWORD_LOCKOUT",
            "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
            "ORG_LOCKED",
            "TRIAL_EXPIRED",
            "API_DISABLED_FOR_ORG",
            "PI_DISABLED_FOR_ORG",
            "CLIENT_NOT_ACCESSIBLE_FOR_USER",
            // Not in this version, or not in this form.
            "UNSUPPORTED_API_VERSION",
            "INVALID_VERSION",
            "GONE",
            "UNSUPPORTED_MEDIA_TYPE",
            // The org is full.
            "STORAGE_LIMIT_EXCEEDED",
            "EXCEEDED_QUOTA",
            "LICENSE_LIMIT_EXCEEDED",
            "CUSTOM_ENTITY_OR_FIELD_LIMIT",
        ],
    ),
    (
        HoldObject,
        &[
            "INVALID_FIELD",
            "INVALID_TYPE",
            "NOT_FOUND",
            "INVALID_EXTERNAL_ID_FIELD_NAME",
            "INVALID_ENTITY_FOR_UPSERT",
            "INVALID_TYPE_FOR_OPERATION",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "INSUFFICIENT_ACCESS",
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            "INACTIVE_OWNER_OR_USER",
            "FUNCTIONALITY_NOT_ENABLED",
        ],
    ),
    (
        DeadLetter,
        &[
            "JSON_PARSER_ERROR",
            "MALFORMED_QUERY",
            "BAD_REQUEST",
            "REQUIRED_FIELD_MISSING",
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "STRING_TOO_LONG",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET",
            "TOO_MANY_ENUM_VALUE",
            "INVALID_EMAIL_ADDRESS",
            "INVALID_CURRENCY_ISO",
            "MALFORMED_ID",
            "INVALID_CROSS_REFERENCE_KEY",
            "INVALID_ID_FIELD",
            "INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD",
            "ENTITY_IS_ARCHIVED",
            "ENTITY_IS_LOCKED",
            "RECORD_IN_USE_BY_WORKFLOW",
            "DUPLICATE_VALUE",
            "DUPLICATE_EXTERNAL_ID",
            "DUPLICATES_DETECTED",
            "FIELD_INTEGRITY_EXCEPTION",
            "FIELD_FILTER_VALIDATION_EXCEPTION",
            "DELETE_FAILED",
            "CANNOT_REPARENT_RECORD",
            "SELF_REFERENCE_FROM_TRIGGER",
            "MIXED_DML_OPERATION",
            "CIRCULAR_OBJECT_GRAPH",
        ],
    ),
];

/// Judges what became of one record. Of codes that are not in the table, those with a status of 500 and more are passing;
/// others speak of this record.
pub(super) fn judge(outcome: &Outcome) -> Verdict {
    let Outcome::Refused { status, code, message, untold, .. } = outcome else { return Verdict::Done };
    match code.as_str() {
        // One code serves for two faults; only the text tells a missing parent from a missing field.
        "INVALID_FIELD" if message.starts_with("Foreign key external ID") => Verdict::WaitForParent,
        // A call that was taken for lost had created the record meanwhile; the next upsert finds it.
        "DUPLICATE_VALUE" if message.contains("Stripe_Id__c duplicates value") => Retry,
        // What may be published in an hour, by all who publish, is used up, or the event bus is away.
        "LIMIT_EXCEEDED" | "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE" if *untold => TellLater,
        code => {
            let known = TABLE.iter().find(|(_, codes)| codes.contains(&code));
            let unknown = if *status >= 500 { Retry } else { DeadLetter };
            known.map_or(unknown, |(verdict, _)| *verdict)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> Verdict {
        let (code, message) = (code.to_owned(), message.to_owned());
        judge(&Outcome::Refused { status, code, message, fields: Vec::new(), untold: false })
    }

    /// By hand, from Salesforce's description of each code; not from the table above.
    #[test]
    fn every_code_leads_to_its_reaction() {
        let text = "No such column 'X__c' on sobject of type Y";
        for (code, verdict) in [
            ("UNABLE_TO_LOCK_ROW", Retry),
            ("REQUEST_LIMIT_EXCEEDED", Retry),
            ("SERVER_UNAVAILABLE", PauseLane),
            ("API_CURRENTLY_DISABLED", PauseLane),
            ("QUERY_TIMEOUT", Retry),
            ("REQUEST_RUNNING_TOO_LONG", Retry),
            ("TOO_MANY_APEX_REQUESTS", Retry),
            ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", PauseLane),
            ("INVALID_READ_ONLY_USER_DML", PauseLane),
            ("TERRITORY_REALIGN_IN_PROGRESS", Retry),
            ("TOO_MANY_JOBS", Retry),
            ("REALTIME_PROCESSING_TIME_EXCEEDED_LIMIT", Retry),
            ("PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", Retry),
            ("PLATFORM_EVENT_PUBLISH_FAILED", Retry),
            ("LIMIT_EXCEEDED", Retry),
            ("UNKNOWN_EXCEPTION", Retry),
            ("INTERNAL_ERROR", Retry),
            ("INVALID_SERVER_ERROR", Retry),
            ("ALL_OR_NONE_OPERATION_ROLLED_BACK", Retry),
            ("PROCESSING_HALTED", Retry),
            ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Retry),
            ("CANNOT_EXECUTE_FLOW_TRIGGER", Retry),
            ("ENTITY_IS_DELETED", Retry),
            ("NO_ANSWER", Retry),
            ("INVALID_SESSION_ID", StopLane),
            ("INVALID_AUTH_HEADER", StopLane),
            ("INVALID_LOGIN", StopLane),
            ("LOGIN_DURING_RESTRICTED_DOMAIN", StopLane),
            ("LOGIN_DURING_RESTRICTED_TIME", StopLane),
            ("PASSWORD_LOCKOUT", StopLane),
            ("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", StopLane),
            ("ORG_LOCKED", StopLane),
            ("TRIAL_EXPIRED", StopLane),
            ("API_DISABLED_FOR_ORG", StopLane),
            ("PI_DISABLED_FOR_ORG", StopLane),
            ("CLIENT_NOT_ACCESSIBLE_FOR_USER", StopLane),
            ("UNSUPPORTED_API_VERSION", StopLane),
            ("INVALID_VERSION", StopLane),
            ("GONE", StopLane),
            ("UNSUPPORTED_MEDIA_TYPE", StopLane),
            ("STORAGE_LIMIT_EXCEEDED", StopLane),
            ("EXCEEDED_QUOTA", StopLane),
            ("LICENSE_LIMIT_EXCEEDED", StopLane),
            ("CUSTOM_ENTITY_OR_FIELD_LIMIT", StopLane),
            ("INVALID_FIELD", HoldObject),
            ("INVALID_TYPE", HoldObject),
            ("NOT_FOUND", HoldObject),
            ("INVALID_EXTERNAL_ID_FIELD_NAME", HoldObject),
            ("INVALID_ENTITY_FOR_UPSERT", HoldObject),
            ("INVALID_TYPE_FOR_OPERATION", HoldObject),
            ("INVALID_FIELD_FOR_INSERT_UPDATE", HoldObject),
            ("INSUFFICIENT_ACCESS", HoldObject),
            ("INSUFFICIENT_ACCESS_OR_READONLY", HoldObject),
            ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", HoldObject),
            ("INACTIVE_OWNER_OR_USER", HoldObject),
            ("FUNCTIONALITY_NOT_ENABLED", HoldObject),
            ("JSON_PARSER_ERROR", DeadLetter),
            ("MALFORMED_QUERY", DeadLetter),
            ("BAD_REQUEST", DeadLetter),
            ("REQUIRED_FIELD_MISSING", DeadLetter),
            ("FIELD_CUSTOM_VALIDATION_EXCEPTION", DeadLetter),
            ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", DeadLetter),
            ("STRING_TOO_LONG", DeadLetter),
            ("NUMBER_OUTSIDE_VALID_RANGE", DeadLetter),
            ("INVALID_TYPE_ON_FIELD_IN_RECORD", DeadLetter),
            ("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", DeadLetter),
            ("TOO_MANY_ENUM_VALUE", DeadLetter),
            ("INVALID_EMAIL_ADDRESS", DeadLetter),
            ("INVALID_CURRENCY_ISO", DeadLetter),
            ("MALFORMED_ID", DeadLetter),
            ("INVALID_CROSS_REFERENCE_KEY", DeadLetter),
            ("INVALID_ID_FIELD", DeadLetter),
            ("INVALID_CROSS_REFERENCE_TYPE_FOR_FIELD", DeadLetter),
            ("ENTITY_IS_ARCHIVED", DeadLetter),
            ("ENTITY_IS_LOCKED", DeadLetter),
            ("RECORD_IN_USE_BY_WORKFLOW", DeadLetter),
            ("DUPLICATE_VALUE", DeadLetter),
            ("DUPLICATE_EXTERNAL_ID", DeadLetter),
            ("DUPLICATES_DETECTED", DeadLetter),
            ("FIELD_INTEGRITY_EXCEPTION", DeadLetter),
            ("FIELD_FILTER_VALIDATION_EXCEPTION", DeadLetter),
            ("DELETE_FAILED", DeadLetter),
            ("CANNOT_REPARENT_RECORD", DeadLetter),
            ("SELF_REFERENCE_FROM_TRIGGER", DeadLetter),
            ("MIXED_DML_OPERATION", DeadLetter),
            ("CIRCULAR_OBJECT_GRAPH", DeadLetter),
        ] {
            assert_eq!(refused(200, code, text), verdict, "{code}");
        }
    }

    #[test]
    fn the_text_tells_where_the_code_cannot() {
        let missing =
            "Foreign key external ID: cus_1 not found for field Stripe_Id__c in entity Stripe_Customer__c";
        assert_eq!(refused(200, "INVALID_FIELD", missing), Verdict::WaitForParent);
        let twice = "duplicate value found: Stripe_Id__c duplicates value on record with id: a01";
        assert_eq!(refused(200, "DUPLICATE_VALUE", twice), Retry);
    }

    #[test]
    fn an_event_that_is_not_taken_now_is_no_try_of_its_record() {
        for (code, verdict) in [
            ("LIMIT_EXCEEDED", TellLater),
            ("PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", TellLater),
            ("PLATFORM_EVENT_PUBLISH_FAILED", Retry),
            ("INVALID_TYPE", HoldObject),
        ] {
            let (status, code, message) = (400, code.to_owned(), String::new());
            let outcome = Outcome::Refused { status, code, message, fields: Vec::new(), untold: true };
            assert_eq!(judge(&outcome), verdict, "{outcome:?}");
        }
    }

    #[test]
    fn a_code_that_nobody_knows_is_judged_by_its_status() {
        for (status, verdict) in
            [(200, DeadLetter), (400, DeadLetter), (404, DeadLetter), (500, Retry), (503, Retry)]
        {
            assert_eq!(refused(status, "NEVER_HEARD_OF", ""), verdict, "{status}");
        }
        let accepted = Outcome::Accepted { record_id: "a01".to_owned(), created: true };
        assert_eq!(judge(&accepted), Verdict::Done);
    }
}
