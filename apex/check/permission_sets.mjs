import { childrenOf, textOf } from "./xml.mjs";

// What each permission set is for. `others`: what it may do with standard objects. `standardFields`: standard fields that
// have field-level security and are written. `calls`: whether it may call paybridge. `sees`: whether it has the app.
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
      Stripe_Event__e: ["allowCreate", "allowRead"],
    },
    standardFields: ["Product2.Description"],
    calls: false,
    sees: false,
  },
  Paybridge_Admin: {
    own: ["allowCreate", "allowDelete", "allowEdit", "allowRead", "modifyAllRecords", "viewAllRecords"],
    editable: true,
    others: { Product2: ["allowEdit", "allowRead"] },
    standardFields: [],
    calls: true,
    sees: true,
  },
  Paybridge_Agent: { own: ["allowRead"], editable: false, others: {}, standardFields: [], calls: true, sees: true },
  Paybridge_Viewer: { own: ["allowRead"], editable: false, others: {}, standardFields: [], calls: false, sees: true },
};

const RIGHTS = ["allowCreate", "allowDelete", "allowEdit", "allowRead", "modifyAllRecords", "viewAllFields", "viewAllRecords"];

export function checkPermissionSets(project) {
  const { objects, fields, permissionSets } = project;
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
    checkUse(xml, purpose, project, fault);
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

/** Whoever calls has the credential and every class and screen flow; whoever looks has the app and every tab. */
function checkUse(xml, { calls, sees }, { components, sources }, fault) {
  const named = (type) => components.filter((c) => c.xml.name === type);
  const principals = named("ExternalCredential").flatMap((c) => principalsOf(c.xml).map((p) => `${c.name}-${p}`));
  const classes = sources.filter((s) => !s.path.startsWith("tests/")).map((s) => s.name);
  const screens = named("Flow").filter((f) => textOf(f.xml, "processType") === "Flow");
  for (const [list, part, wanted] of [
    ["externalCredentialPrincipalAccesses", "externalCredentialPrincipal", calls ? principals : []],
    ["classAccesses", "apexClass", calls ? classes : []],
    ["flowAccesses", "flow", calls ? screens.map((f) => f.name) : []],
    ["applicationVisibilities", "application", sees ? named("CustomApplication").map((a) => a.name) : []],
    ["tabSettings", "tab", sees ? named("CustomTab").map((t) => t.name) : []],
  ]) {
    const listed = childrenOf(xml, list).map((c) => textOf(c, part));
    for (const name of wanted) if (!listed.includes(name)) fault(`${list} lacks ${name}`);
    for (const name of listed) if (!wanted.includes(name)) fault(`${list} has ${name}, expected ${wanted.join(", ") || "none"}`);
  }
}

export const principalsOf = (credential) =>
  childrenOf(credential, "externalCredentialParameters").filter((p) => textOf(p, "parameterType") === "NamedPrincipal").map((p) => textOf(p, "parameterName"));
