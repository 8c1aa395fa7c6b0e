import { textOf } from "./xml.mjs";

// Parents that every org with Sales Cloud has. A lookup to anything else must be to an object of this project.
const STANDARD_PARENTS = ["Account", "Contact", "Opportunity", "Order", "Product2"];

export function checkRelationships({ objects, fields }) {
  const faults = [];
  const parents = new Set([...STANDARD_PARENTS, ...objects.map((o) => o.name)]);
  const taken = new Map();
  const lookups = fields.filter((f) => textOf(f.xml, "type") === "Lookup");
  for (const { path, name, object, xml } of lookups) {
    const parent = textOf(xml, "referenceTo");
    const children = textOf(xml, "relationshipName");
    if (!parents.has(parent)) faults.push(`${path}: referenceTo ${parent}, which does not exist`);
    if (!/^[A-Za-z](?:_?[A-Za-z0-9])*$/.test(children) || children.length > 40) faults.push(`${path}: ${children} is not a name for a relationship`);
    const key = `${parent}.${children}`.toLowerCase();
    if (taken.has(key)) faults.push(`${path}: relationshipName ${children} of ${parent} is taken by ${taken.get(key)}`);
    taken.set(key, `${object}.${name}`);
  }
  return { faults, checked: `${lookups.length} lookups` };
}
