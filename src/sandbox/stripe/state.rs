//! Everything the stand-in knows: its objects, its events, and how a call changes both or neither.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::errors::{Answer, Refusal};
use super::events::{self, Log};
use super::idempotency::Keys;
use super::line_items::Sale;
use super::payment_methods::Card;
use super::{Call, account};

/// The objects and events of one account.
pub(super) struct State {
    objects: HashMap<String, Value>,
    /// Ids in the order of creation, by the object's type.
    created: HashMap<String, Vec<String>>,
    pub(super) events: Log,
    pub(super) keys: Keys,
    pub(super) calls: Vec<Call>,
    /// Id of the account whose key is accepted.
    pub(super) account: String,
    /// How the card behind a payment method behaves.
    pub(super) cards: HashMap<String, &'static Card>,
    /// What each checkout session and payment link sells.
    pub(super) sales: HashMap<String, Sale>,
    /// Where the stand-in's own pages are, without a slash at the end.
    pub(super) address: String,
    /// The payout that each balance transaction went with; Stripe does not write it into the transaction.
    pub(super) paid_out: HashMap<String, String>,
    /// Charges whose balance transaction comes after the answer.
    pub(super) to_settle: Vec<String>,
    /// Unix seconds of the call being served.
    pub(super) now: i64,
    /// The call that changes things now; none while Stripe acts by itself.
    request: Option<(String, Option<String>)>,
    /// What to restore when the call is refused.
    undo: Vec<(String, Option<Value>)>,
    events_before: usize,
}

impl State {
    pub(super) fn empty() -> Self {
        Self {
            objects: HashMap::new(),
            created: HashMap::new(),
            events: Log::default(),
            keys: Keys::default(),
            calls: Vec::new(),
            account: account::ID.to_owned(),
            cards: HashMap::new(),
            sales: HashMap::new(),
            address: String::new(),
            paid_out: HashMap::new(),
            to_settle: Vec::new(),
            now: 0,
            request: None,
            undo: Vec::new(),
            events_before: 0,
        }
    }

    /// Begins a call: what follows is caused by it.
    pub(super) fn begin(&mut self, now: i64, request: Option<(String, Option<String>)>) {
        self.now = now;
        self.request = request;
        self.undo.clear();
        self.events_before = self.events.len();
    }

    /// Takes back everything since [`State::begin`].
    pub(super) fn take_back(&mut self) {
        while let Some((id, before)) = self.undo.pop() {
            match before {
                Some(object) => {
                    self.objects.insert(id, object);
                }
                None => {
                    self.objects.remove(&id);
                    for ids in self.created.values_mut() {
                        if ids.last() == Some(&id) {
                            ids.pop();
                        }
                    }
                }
            }
        }
        self.events.truncate(self.events_before);
        self.to_settle.clear();
    }

    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.objects.get(id)
    }

    /// The object of this type, or the refusal that names the parameter (`id` for the path).
    pub(super) fn find(&self, kind: &str, id: &str, param: &str) -> Answer {
        let found =
            self.objects.get(id).filter(|object| object["object"] == kind && object["deleted"] != true);
        found.cloned().ok_or_else(|| Refusal::no_such(kind, id, param))
    }

    /// All objects of a type, oldest first.
    pub(super) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.created.get(kind).into_iter().flatten().filter_map(|id| self.objects.get(id))
    }

    /// The types of which there are objects.
    pub(super) fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = self.created.keys().map(String::as_str).collect();
        kinds.sort_unstable();
        kinds
    }

    /// Keeps an object under its id, without an event.
    pub(super) fn put(&mut self, object: Value) {
        let id = text(&object, "id").to_owned();
        let kind = text(&object, "object").to_owned();
        let before = self.objects.insert(id.clone(), object);
        if before.is_none() {
            self.created.entry(kind).or_default().push(id.clone());
        }
        self.undo.push((id, before));
    }

    /// Gives an object another id, wherever it is named.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        for object in self.objects.values_mut() {
            let written = object.to_string();
            if written.contains(from)
                && let Ok(renamed) = serde_json::from_str(&written.replace(from, to))
            {
                *object = renamed;
            }
        }
        for id in self.created.values_mut().flatten().filter(|id| *id == from) {
            to.clone_into(id);
        }
        if let Some(object) = self.objects.remove(from) {
            self.objects.insert(to.to_owned(), object);
        }
        if let Some(card) = self.cards.remove(from) {
            self.cards.insert(to.to_owned(), card);
        }
        if let Some(sale) = self.sales.remove(from) {
            self.sales.insert(to.to_owned(), sale);
        }
    }

    /// Keeps an object and tells of it. An `….updated` event says what was changed, and is left out when
    /// nothing was.
    pub(super) fn save(&mut self, event: &str, object: Value) {
        let compared =
            event.ends_with(".updated") || event == "charge.refunded" || event == "charge.captured";
        let before = compared.then(|| self.get(text(&object, "id"))).flatten();
        let previous = before.map(|before| events::difference(before, &object));
        let unchanged = previous.as_ref().is_some_and(Map::is_empty);
        self.put(object.clone());
        if !(unchanged && event.ends_with(".updated")) {
            self.emit(event, object, previous.filter(|changed| !changed.is_empty()));
        }
    }

    /// Tells of an object as it is now.
    pub(super) fn emit(&mut self, event: &str, object: Value, previous: Option<Map<String, Value>>) {
        let (request, key) = self.request.clone().map_or((None, None), |(id, key)| (Some(id), key));
        let mut data = json!({ "object": object });
        if let Some(previous) = previous {
            data["previous_attributes"] = Value::Object(previous);
        }
        self.events.push(json!({
            "id": new_id("evt_1"),
            "object": "event",
            "api_version": events::API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": false,
            "pending_webhooks": 1,
            "request": { "id": request, "idempotency_key": key },
            "type": event,
        }));
    }
}

/// An id as Stripe writes them: 24 letters and digits after the prefix.
pub(super) fn new_id(prefix: &str) -> String {
    let digits = prefix.split('_').next_back().map_or(0, str::len);
    prefix.chars().chain(std::iter::repeat_with(fastrand::alphanumeric).take(24 - digits)).collect()
}

/// A template in which these fields are filled.
pub(super) fn filled(template: &str, fields: Value) -> Value {
    let mut object: Value = serde_json::from_str(template).expect("templates are JSON");
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
    object
}

/// A field that holds text; empty when it does not.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// A field that holds a number; zero when it does not.
pub(super) fn int(object: &Value, field: &str) -> i64 {
    object[field].as_i64().unwrap_or_default()
}
