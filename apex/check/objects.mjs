import { textOf } from "./xml.mjs";

// Allowances per object in Enterprise Edition, without extensions that Support can grant. External IDs: Salesforce Help
// 000385134; the others are common knowledge, not looked up.
const LIMITS = { fields: 500, lookups: 40, tracked: 20, externalIds: 25 };
const WIDTH = ["Private", "Read", "ReadWrite"];

export function checkObjects({ objects, fields }) {
  const faults = [];
  for (const { path, name, xml } of objects) {
    const fault = (message) => faults.push(`${path}: ${message}`);
    const own = fields.filter((f) => f.object === name);
    const count = (element, value) => own.filter((f) => textOf(f.xml, element) === value).length;
    const history = textOf(xml, "enableHistory") === "true";

    if (!/^[A-Za-z](?:_?[A-Za-z0-9])*__c$/.test(name) || name.length > 43) fault(`${name} is not a name for a custom object`);
    const apis = ["enableBulkApi", "enableSharing", "enableStreamingApi"].map((n) => textOf(xml, n));
    if (new Set(apis).size > 1) fault("enableBulkApi, enableSharing and enableStreamingApi must be switched together");
    if (WIDTH.indexOf(textOf(xml, "externalSharingModel")) > WIDTH.indexOf(textOf(xml, "sharingModel"))) {
      fault("externalSharingModel is wider than sharingModel");
    }
    if (!history && count("trackHistory", "true") > 0) fault("a field tracks history, but enableHistory is false");
    if (history && own.some((f) => textOf(f.xml, "trackHistory") === undefined)) fault("history is on, but a field has no trackHistory");
    for (const [limit, found] of [
      ["fields", own.length],
      ["lookups", count("type", "Lookup")],
      ["tracked", count("trackHistory", "true")],
      ["externalIds", count("externalId", "true")],
    ]) {
      if (found > LIMITS[limit]) fault(`${found} ${limit}, the platform takes ${LIMITS[limit]}`);
    }
  }
  const known = new Set(objects.map((o) => o.name));
  for (const { path, object } of fields) {
    if (object.endsWith("__c") && !known.has(object)) faults.push(`${path}: ${object} has no object file`);
  }
  const labels = new Map();
  for (const { path, xml } of objects) {
    const label = textOf(xml, "label");
    if (labels.has(label)) faults.push(`${path}: label "${label}" is also that of ${labels.get(label)}`);
    labels.set(label, path);
  }
  return { faults, checked: `${objects.length} custom objects` };
}
