import { textOf } from "./xml.mjs";

// What paybridge sends with each, and how long it may be.
const FIELDS = {
  Stripe_Id__c: { type: "Text", length: "255", required: "true" },
  Object__c: { type: "Text", length: "80", required: "true" },
  Record_Id__c: { type: "Text", length: "18", required: "true" },
  Status__c: { type: "Text", length: "40", required: "false" },
  Last_Event_Id__c: { type: "Text", length: "255", required: "false" },
  Last_Event_At__c: { type: "DateTime", required: "false" },
  Livemode__c: { type: "Checkbox" },
};

/** Platform events have no records: no keys, no layouts, no field-level security. */
export function checkEvents({ events, eventFields }) {
  const faults = [];
  for (const { path, name, xml } of events) {
    const fault = (message) => faults.push(`${path}: ${message}`);
    if (!/^[A-Za-z](?:_?[A-Za-z0-9])*__e$/.test(name) || name.length > 43) fault(`${name} is not a name for a platform event`);
    if (textOf(xml, "eventType") !== "HighVolume") fault("standard-volume events end in 2027");
    // Otherwise a subscriber could look for the record before it is there.
    if (textOf(xml, "publishBehavior") !== "PublishAfterCommit") fault("it must be published after the commit");
    const own = eventFields.filter((f) => f.object === name);
    for (const [field, expected] of Object.entries(FIELDS)) {
      const found = own.find((f) => f.name === field);
      if (!found) fault(`${field} is missing`);
      for (const [element, value] of Object.entries(found ? expected : {})) {
        if (textOf(found.xml, element) !== value) faults.push(`${found.path}: <${element}> is ${textOf(found.xml, element)}, expected ${value}`);
      }
    }
    for (const { path, name: field, xml: of } of own) {
      if (!FIELDS[field]) faults.push(`${path}: nothing fills it`);
      if (!/\b[Ss]ource: \S/.test(textOf(of, "description"))) faults.push(`${path}: the description does not say where the value comes from ("Source: …")`);
      for (const key of ["externalId", "unique"]) if (textOf(of, key) === "true") faults.push(`${path}: an event has no ${key} fields`);
    }
  }
  if (events.length === 0) faults.push("Stripe_Event__e is missing");
  return { faults, checked: `${events.length} platform events` };
}
