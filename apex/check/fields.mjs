import { child, childrenOf, textOf } from "./xml.mjs";

export function checkFields({ fields }) {
  const faults = [];
  const labels = new Map();
  for (const { path, name, object, xml } of fields) {
    const fault = (message) => faults.push(`${path}: ${message}`);
    const is = (element) => textOf(xml, element) === "true";
    const type = textOf(xml, "type");

    if (!/^[A-Za-z](?:_?[A-Za-z0-9])*__c$/.test(name) || name.length > 43) fault(`${name} is not a name for a custom field`);
    const label = `${object}: ${textOf(xml, "label")}`;
    if (labels.has(label)) fault(`the label is also that of ${labels.get(label)}`);
    labels.set(label, name);
    if (!/\b[Ss]ource: \S/.test(textOf(xml, "description"))) fault('the description does not say where the value comes from ("Source: …")');
    if (type === "Number" && +textOf(xml, "scale") > +textOf(xml, "precision")) fault("scale is larger than precision");
    if (is("caseSensitive") && !is("unique")) fault("caseSensitive has no meaning without unique");
    if (is("externalId") && !(is("unique") && is("caseSensitive"))) fault("an external ID that is not unique and case-sensitive can match the wrong record");
    if (type === "Picklist") checkPicklist(xml, fault);
  }
  return { faults, checked: `${fields.length} fields` };
}

function checkPicklist(xml, fault) {
  const valueSet = child(xml, "valueSet");
  const values = childrenOf(child(valueSet, "valueSetDefinition"), "value");
  if (textOf(valueSet, "restricted") !== "true") fault("the picklist is not restricted; an open list belongs in a text field");
  if (values.length > 1000) fault(`${values.length} values, a restricted picklist takes 1000`);
  if (values.some((v) => textOf(v, "default") === "true")) fault("a value that nobody sent must not appear: no default");
  for (const part of ["fullName", "label"]) {
    const seen = values.map((v) => textOf(v, part).toLowerCase());
    const twice = seen.find((v, i) => seen.indexOf(v) !== i);
    if (twice) fault(`two values have the ${part} "${twice}"`);
  }
}
