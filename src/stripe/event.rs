//! The envelope of an event as Stripe sends and lists it.
//!
//! Source: Stripe's OpenAPI description, version 2026-10-28.endive, schema `event`.

use std::borrow::Cow;

use serde::Deserialize;

/// An event; `O` says how much of its object is read.
#[derive(Clone, Debug, Deserialize)]
pub struct Event<'a, O> {
    /// `evt_…`
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Always `event`; a thin notification says `v2.core.event`.
    #[serde(borrow)]
    pub object: Cow<'a, str>,
    /// Like `charge.refunded`; Stripe invents new ones.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// The version that `data` is written in: the webhook endpoint's, not the request's.
    #[serde(borrow)]
    pub api_version: Option<Cow<'a, str>>,
    /// Seconds since 1970.
    pub created: i64,
    /// Whether it is about real money.
    pub livemode: bool,
    /// The connected account it happened in, if it was not our own.
    #[serde(borrow)]
    pub account: Option<Cow<'a, str>>,
    /// What it is about.
    pub data: Data<O>,
}

/// What an event is about.
#[derive(Clone, Debug, Deserialize)]
pub struct Data<O> {
    /// The object as it was at that moment.
    pub object: O,
}

/// Which object an event is about.
#[derive(Clone, Debug, Deserialize)]
pub struct ObjectHead<'a> {
    /// Stripe's name of the kind, like `charge`.
    #[serde(borrow)]
    pub object: Option<Cow<'a, str>>,
    /// Stripe's id; a few kinds have none.
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
}
