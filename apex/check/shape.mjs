// Which elements each type of metadata has. Stricter than the platform: what the project does not use is unknown here,
// and the elements stand in the order in which Salesforce writes them, so that a retrieve changes nothing.
// Source of elements and order: Metadata API Developer Guide, "CustomObject", "CustomField", "PermissionSet" (WSDL). The
// longest lengths of labels, descriptions and help texts are common knowledge, not looked up.

const text = (max) => ({ legal: (v) => v.length > 0 && v.length <= max, expects: `1 to ${max} characters` });
const int = (min, max) => ({ legal: (v) => /^\d+$/.test(v) && +v >= min && +v <= max, expects: `a whole number from ${min} to ${max}` });
const oneOf = (...values) => ({ legal: (v) => values.includes(v), expects: values.join(" or ") });
const name = { legal: (v) => /^[A-Za-z]\w*$/.test(v), expects: "an API name" };
const fieldName = { legal: (v) => /^[A-Za-z]\w*\.[A-Za-z]\w*$/.test(v), expects: "Object.Field" };
const bool = oneOf("true", "false");
const optional = (rule) => ({ ...rule, optional: true });
const many = (rule) => ({ ...rule, many: true });
const group = (...rules) => ({ rules });

const PICKLIST_VALUE = group(["fullName", text(255)], ["default", bool], ["label", text(255)]);

const CUSTOM_OBJECT = group(
  ["compactLayoutAssignment", name],
  ["deploymentStatus", oneOf("Deployed")],
  ["description", text(1000)],
  ["enableActivities", bool],
  ["enableBulkApi", bool],
  ["enableFeeds", bool],
  ["enableHistory", bool],
  ["enableLicensing", oneOf("false")],
  ["enableReports", bool],
  ["enableSearch", bool],
  ["enableSharing", bool],
  ["enableStreamingApi", bool],
  ["externalSharingModel", oneOf("Private", "Read", "ReadWrite")],
  ["label", text(40)],
  ["nameField", group(["label", text(40)], ["trackHistory", optional(bool)], ["type", oneOf("Text")])],
  ["pluralLabel", text(40)],
  ["sharingModel", oneOf("Private", "Read", "ReadWrite")],
);

// Elements of a field by its type, besides those that every field has.
const FIELD_TYPES = {
  Text: [["caseSensitive", optional(bool)], ["externalId", bool], ["length", int(1, 255)], ["required", bool], ["unique", bool]],
  LongTextArea: [["length", int(256, 131072)], ["visibleLines", int(2, 50)]],
  Number: [["externalId", bool], ["precision", int(1, 18)], ["required", bool], ["scale", int(0, 17)], ["unique", bool]],
  Checkbox: [["defaultValue", bool]],
  Date: [["required", bool]],
  DateTime: [["required", bool]],
  Email: [["externalId", bool], ["required", bool], ["unique", bool]],
  Phone: [["required", bool]],
  Picklist: [
    ["required", bool],
    ["valueSet", group(["restricted", bool], ["valueSetDefinition", group(["sorted", bool], ["value", many(PICKLIST_VALUE)])])],
  ],
  Lookup: [
    ["deleteConstraint", oneOf("SetNull", "Restrict")],
    ["referenceTo", name],
    ["relationshipLabel", text(80)],
    ["relationshipName", name],
    ["required", oneOf("false")],
  ],
};

const EVERY_FIELD = [
  ["description", text(1000)],
  ["inlineHelpText", optional(text(510))],
  ["label", text(40)],
  ["trackHistory", optional(bool)],
];

const PERMISSION_SET = group(
  ["applicationVisibilities", optional(group(["application", name], ["visible", oneOf("true")]))],
  ["classAccesses", optional(many(group(["apexClass", name], ["enabled", oneOf("true")])))],
  ["description", text(255)],
  ["externalCredentialPrincipalAccesses", optional(group(["enabled", oneOf("true")], ["externalCredentialPrincipal", text(80)]))],
  ["fieldPermissions", many(group(["editable", bool], ["field", fieldName], ["readable", bool]))],
  ["flowAccesses", optional(many(group(["enabled", oneOf("true")], ["flow", name])))],
  ["hasActivationRequired", oneOf("false")],
  ["label", text(80)],
  ["objectPermissions", many(group(
    ["allowCreate", bool],
    ["allowDelete", bool],
    ["allowEdit", bool],
    ["allowRead", bool],
    ["modifyAllRecords", bool],
    ["object", name],
    ["viewAllFields", bool],
    ["viewAllRecords", bool],
  ))],
  ["tabSettings", optional(many(group(["tab", name], ["visibility", oneOf("Visible")])))],
);

export function checkShape({ objects, fields, permissionSets }) {
  const faults = [];
  for (const { path, xml } of objects) walk(xml, CUSTOM_OBJECT, path, faults);
  for (const { path, xml } of permissionSets) walk(xml, PERMISSION_SET, path, faults);
  for (const { path, xml } of fields) {
    const type = xml.children.find((c) => c.name === "type")?.text;
    if (FIELD_TYPES[type]) walk(xml, fieldShape(type), path, faults);
    else faults.push(`${path}: field type ${type} is not one of ${Object.keys(FIELD_TYPES).join(", ")}`);
  }
  const checked = `${objects.length} objects, ${fields.length} fields, ${permissionSets.length} permission sets`;
  return { faults, checked };
}

/** The name comes first, the rest follows the alphabet. */
function fieldShape(type) {
  const rest = [...EVERY_FIELD, ...FIELD_TYPES[type], ["type", oneOf(type)]];
  rest.sort(([a], [b]) => (a < b ? -1 : 1));
  return group(["fullName", name], ...rest);
}

function walk(element, { rules }, path, faults) {
  const fault = (line, message) => faults.push(`${path}:${line}: ${message}`);
  const names = rules.map(([n]) => n);
  let furthest = -1;
  for (const c of element.children) {
    const at = names.indexOf(c.name);
    if (at < 0) {
      fault(c.line, `<${c.name}> is not expected in <${element.name}>`);
      continue;
    }
    if (at < furthest) fault(c.line, `<${c.name}> must stand before <${names[furthest]}>`);
    furthest = Math.max(furthest, at);
    const rule = rules[at][1];
    if (rule.rules) walk(c, rule, path, faults);
    else if (c.children.length > 0 || !rule.legal(c.text)) fault(c.line, `<${c.name}> is "${c.text}", expected ${rule.expects}`);
  }
  for (const [n, rule] of rules) {
    const count = element.children.filter((c) => c.name === n).length;
    if (count === 0 && !rule.optional) fault(element.line, `<${element.name}> has no <${n}>`);
    if (count > 1 && !rule.many) fault(element.line, `<${element.name}> has ${count} times <${n}>`);
  }
}
