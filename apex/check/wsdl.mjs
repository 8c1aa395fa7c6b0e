import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// What Salesforce's WSDL says of metadata: the elements of each type, their order, how often, and the legal values. Read
// from the declarations that Salesforce generates from it (@salesforce/types), so that the schema is theirs, not ours.

let types;

/**
 * Compares every file with the type that its root element names. An element is legal, in its place, as often as allowed,
 * and its text is a value of its type.
 */
export function checkAgainstWsdl({ components }) {
  const faults = [];
  types ??= readTypes();
  for (const { path, xml } of components) {
    const type = types.get(xml.name);
    if (type?.fields) walk(xml, type.fields, path, faults);
    else faults.push(`${path}: ${xml.name} is not a type of metadata`);
  }
  return { faults, checked: `${components.length} files against ${types.size} types` };
}

function readTypes() {
  const main = createRequire(import.meta.url).resolve("@salesforce/types/metadata");
  const source = readFileSync(join(dirname(main), "metadata.d.ts"), "utf8");
  const read = new Map();
  for (const [, name, bases, body] of source.matchAll(/^export type (\w+) = ((?:\w+ & )*)\{\n([^]*?)^\};/gm)) {
    read.set(name, { bases: bases.split(" & ").filter(Boolean), own: [...body.matchAll(/^ {4}(\w+)(\??): ([^;]+);/gm)] });
  }
  for (const [, name, values] of source.matchAll(/^export type (\w+) = ((?:'[^']*'(?: \| )?)+);/gm)) {
    read.set(name, { values: [...values.matchAll(/'([^']*)'/g)].map(([, v]) => v) });
  }
  for (const [, name, other] of source.matchAll(/^export type (\w+) = (\w+);/gm)) read.set(name, { alias: other });
  for (const type of read.values()) {
    if (type.alias) Object.assign(type, read.get(type.alias));
  }
  for (const type of read.values()) if (type.own) type.fields = fieldsOf(type, read);
  return read;
}

/** The base's elements come first, as in a WSDL's extension. */
function fieldsOf({ bases, own }, types) {
  const inherited = bases.flatMap((base) => fieldsOf(types.get(base) ?? { bases: [], own: [] }, types));
  const declared = own.map(([, name, optional, type]) => {
    const many = type.endsWith("[]");
    return { name, type: type.replace("[]", ""), many, required: !optional && !many };
  });
  return [...inherited, ...declared];
}

function walk(element, fields, path, faults) {
  const fault = (line, message) => faults.push(`${path}:${line}: ${message}`);
  let furthest = -1;
  for (const c of element.children) {
    const at = fields.findIndex((f) => f.name === c.name);
    if (at < 0) {
      fault(c.line, `<${c.name}> is not an element of <${element.name}>`);
      continue;
    }
    if (at < furthest) fault(c.line, `<${c.name}> must stand before <${fields[furthest].name}>`);
    furthest = Math.max(furthest, at);
    const type = types.get(fields[at].type);
    if (type?.fields) walk(c, type.fields, path, faults);
    else if (c.children.length > 0) fault(c.line, `<${c.name}> has elements, expected ${fields[at].type}`);
    else checkText(c, fields[at].type, type, fault);
  }
  for (const { name, many, required } of fields) {
    const count = element.children.filter((c) => c.name === name).length;
    if (required && count === 0) fault(element.line, `<${element.name}> has no <${name}>`);
    if (!many && count > 1) fault(element.line, `<${element.name}> has ${count} times <${name}>`);
  }
}

const TEXTS = { boolean: /^(?:true|false)$/, number: /^-?\d+(?:\.\d+)?$/, Date: /^\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?$/ };

function checkText({ name, text, line }, typeName, type, fault) {
  if (type?.values && !type.values.includes(text)) fault(line, `<${name}> is "${text}", which is not a ${typeName}`);
  if (TEXTS[typeName] && !TEXTS[typeName].test(text)) fault(line, `<${name}> is "${text}", expected a ${typeName}`);
}
