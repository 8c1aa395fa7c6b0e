//! The tables, in the subset of types that both backends share. Kept by hand; a test selects every column on both.

diesel::table! {
    events (seq) {
        seq -> BigInt,
        account -> Text,
        event_id -> Text,
        event_type -> Text,
        object_id -> Nullable<Text>,
        created -> BigInt,
        received_at -> BigInt,
        payload -> Binary,
    }
}

diesel::table! {
    event_objects (object_id, seq) {
        object_id -> Text,
        seq -> BigInt,
    }
}

diesel::table! {
    inbox (seq) {
        seq -> BigInt,
        state -> Text,
        last_error -> Nullable<Text>,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        org -> Text,
        sobject -> Text,
        external_id -> Text,
        account -> Text,
        created -> BigInt,
        progress -> BigInt,
        event_id -> Text,
        fields -> Text,
        carried -> Text,
        parents -> Text,
        version -> BigInt,
        leased_version -> BigInt,
        state -> Text,
        lease -> Text,
        attempts -> Integer,
        due_at -> BigInt,
        waiting_since -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        updated_at -> BigInt,
        mapping_version -> Text,
        salesforce_id -> Nullable<Text>,
        delivered_at -> Nullable<BigInt>,
        delivered_event_id -> Nullable<Text>,
        delivered_call -> Nullable<Text>,
    }
}

diesel::table! {
    attempts (id) {
        id -> BigInt,
        outbox_id -> BigInt,
        at -> BigInt,
        call_id -> Text,
        attempt -> Integer,
        outcome -> Text,
        code -> Text,
        message -> Text,
        sent -> Nullable<Text>,
        mapping_version -> Text,
    }
}

diesel::table! {
    lanes (org) {
        org -> Text,
        holder -> Text,
        held_until -> BigInt,
    }
}

diesel::table! {
    stops (org, sobject) {
        org -> Text,
        sobject -> Text,
        since -> BigInt,
        next_try -> BigInt,
        needs_person -> Bool,
        reason -> Text,
    }
}

diesel::table! {
    fetches (id) {
        id -> BigInt,
        account -> Text,
        object -> Text,
        object_id -> Text,
        reason -> Text,
        attempts -> Integer,
        due_at -> BigInt,
        wishes -> BigInt,
        last_error -> Nullable<Text>,
        around -> Nullable<BigInt>,
        missing_in -> Nullable<Text>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        name -> Text,
        hash -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        previous_hash -> Nullable<Text>,
        previous_until -> Nullable<BigInt>,
        account -> Nullable<Text>,
        org -> Nullable<Text>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    certificates (key_id, fingerprint) {
        key_id -> Text,
        fingerprint -> Text,
        certificate -> Text,
        expires_at -> BigInt,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    assertions (id) {
        id -> Text,
        expires_at -> BigInt,
    }
}

diesel::table! {
    audit (seq) {
        seq -> BigInt,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        subject -> Text,
        detail -> Text,
        hash -> Text,
    }
}

diesel::table! {
    waiting_events (event_seq) {
        event_seq -> BigInt,
        account -> Text,
        object -> Text,
        object_id -> Text,
    }
}

diesel::table! {
    event_notes (event_seq, note) {
        event_seq -> BigInt,
        note -> Text,
    }
}

diesel::table! {
    stripe_usage (account, day) {
        account -> Text,
        day -> BigInt,
        reads -> BigInt,
        charges -> BigInt,
    }
}

diesel::table! {
    bindings (party, name) {
        party -> Text,
        name -> Text,
        identity -> Text,
        kind -> Text,
        key_hash -> Text,
        bound_at -> BigInt,
        other -> Nullable<Text>,
        other_kind -> Nullable<Text>,
        other_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    claims (id) {
        id -> BigInt,
        account -> Text,
        idempotency_key -> Text,
        action -> Text,
        caller -> Text,
        hash -> Text,
        request -> Nullable<Text>,
        state -> Text,
        lease -> Text,
        attempts -> Integer,
        due_at -> BigInt,
        answer -> Nullable<Text>,
        problem -> Nullable<Text>,
        created_at -> BigInt,
        sent_at -> BigInt,
        settled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    operations (id) {
        id -> Text,
        account -> Text,
        action -> Text,
        caller -> Text,
        items -> Text,
        created_at -> BigInt,
    }
}

diesel::joinable!(inbox -> events (seq));
diesel::allow_tables_to_appear_in_same_query!(inbox, events, event_objects);
diesel::allow_tables_to_appear_in_same_query!(outbox, attempts);
