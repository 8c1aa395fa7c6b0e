import { childrenOf, textOf } from "./xml.mjs";

// What each permission set is for. `others`: what it may do with standard objects.
// `standardFields`: standard fields that have field-level security and are written.
const PURPOSES = {
  Paybridge_Integration: {
    own: ["allowCreate", "allowEdit", "allowRead", "viewAllRecords"],
    editable: true,
    others: {
      Account: ["allowRead"],
      Contact: ["allowRead"],
      Opportunity: ["allowRead"],
      Order: ["allowRead"],
      Product2: ["allowCreate", "allowEdit", "allowRead"],
    },
    standardFields: ["Product2.Description"],
  },
  Paybridge_Viewer: { own: ["allowRead"], editable: false, others: {}, standardFields: [] },
};

const RIGHTS = ["allowCreate", "allowDelete", "allowEdit", "allowRead", "modifyAllRecords", "viewAllFields", "viewAllRecords"];

export function checkPermissionSets({ objects, fields, permissionSets }) {
  const faults = [];
  for (const name of Object.keys(PURPOSES)) {
    if (!permissionSets.some((p) => p.name === name)) faults.push(`the permission set ${name} is missing`);
  }
  for (const { path, name, xml } of permissionSets) {
    const fault = (message) => faults.push(`${path}: ${message}`);
    const purpose = PURPOSES[name];
    if (!purpose) {
      fault("check/permission_sets.mjs does not know what this permission set is for");
      continue;
    }
    checkFieldPermissions(xml, purpose, fields, fault);
    checkObjectPermissions(xml, purpose, objects, fault);
  }
  const permissions = permissionSets.reduce((sum, { xml }) => sum + childrenOf(xml, "fieldPermissions").length, 0);
  return { faults, checked: `${permissionSets.length} permission sets, ${permissions} field permissions` };
}

function checkFieldPermissions(xml, purpose, fields, fault) {
  // A deploy answers "You cannot deploy to a required field" when a required field is listed.
  const required = new Set(fields.filter((f) => textOf(f.xml, "required") === "true").map((f) => `${f.object}.${f.name}`));
  const expected = new Set([...fields.map((f) => `${f.object}.${f.name}`).filter((f) => !required.has(f)), ...purpose.standardFields]);
  const listed = childrenOf(xml, "fieldPermissions");
  const names = listed.map((p) => textOf(p, "field"));
  for (const [i, permission] of listed.entries()) {
    const name = names[i];
    if (required.has(name)) fault(`${name} is a required field and must not be listed`);
    else if (!expected.has(name)) fault(`${name} is not a field of this project`);
    if (i > 0 && name <= names[i - 1]) fault(`${name} is listed twice or out of order`);
    if (textOf(permission, "readable") !== "true") fault(`${name} is not readable`);
    if (textOf(permission, "editable") !== String(purpose.editable)) fault(`${name}: editable must be ${purpose.editable}`);
  }
  for (const name of expected) if (!names.includes(name)) fault(`${name} has no field permission`);
}

function checkObjectPermissions(xml, purpose, objects, fault) {
  const expected = new Map([...objects.map((o) => [o.name, purpose.own]), ...Object.entries(purpose.others)]);
  const listed = childrenOf(xml, "objectPermissions");
  const names = listed.map((p) => textOf(p, "object"));
  for (const [i, permission] of listed.entries()) {
    const name = names[i];
    const allowed = RIGHTS.filter((right) => textOf(permission, right) === "true");
    const wanted = expected.get(name) ?? [];
    if (allowed.join() !== wanted.join()) fault(`${name}: grants ${allowed.join(", ") || "nothing"}, expected ${wanted.join(", ") || "nothing"}`);
    if (i > 0 && name <= names[i - 1]) fault(`${name} is listed twice or out of order`);
  }
  for (const name of expected.keys()) if (!names.includes(name)) fault(`${name} has no object permission`);
}
