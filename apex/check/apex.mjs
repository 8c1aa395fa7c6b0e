import { readFileSync } from "node:fs";
import { join } from "node:path";
import { check as isFormatted, format } from "prettier";
import { FORMAT } from "../generate/api_class.mjs";
import { readContract } from "../generate/contract.mjs";
import { generated } from "../generate/generated.mjs";
import { checkNames } from "./apex_names.mjs";
import { part, parseApex, parts, rule, textOf } from "./apex_tree.mjs";
import { classesOf } from "./apex_classes.mjs";
import { textOf as xmlText } from "./xml.mjs";

/** Both parsers take it, its names exist, it is laid out like the rest, sees what its user may see, and is tested. */
export async function checkApex({ sources, components, apiVersion }) {
  const faults = [];
  const trees = sources.map((source) => ({ ...source, ...parseApex(source) }));
  faults.push(...trees.flatMap((t) => t.faults));
  for (const { path, text } of sources) {
    // The second opinion is Salesforce's own parser; it refuses reserved words, which the open grammar lets pass.
    const fault = await layoutFault(text);
    if (fault) faults.push(`${path}:${fault}`);
  }
  if (faults.length > 0) return { faults, checked: "" };
  faults.push(...checkNames(trees));
  // An id is missing where the code adds it, and looks like one of Stripe's in a test.
  const pattern = (path) => new RegExp(`^${path.replace(/\{\w+\}/g, "(?:[a-z]+_\\w*)?")}$`);
  const known = readContract().operations.map(({ method, path }) => ({ method: method.toUpperCase(), path: pattern(path) }));
  // What is made from the contract puts paths together from parts.
  for (const { path, text } of sources.filter((s) => s.name !== "PaybridgeApi")) {
    for (const [, method, called] of text.matchAll(/(?:'([A-Z]+)',\s*)?'(\/v1\/[^']*)'/g)) {
      const fits = known.filter((k) => k.path.test(called));
      if (fits.length === 0) faults.push(`${path}: the contract has no ${called}`);
      else if (method && !fits.some((k) => k.method === method)) faults.push(`${path}: the contract has no ${method} ${called}`);
    }
  }
  const tests = sources.filter((s) => s.path.startsWith("tests/"));
  for (const { path, name, tree } of trees) {
    const meta = components.find((c) => c.path === `${path}-meta.xml`);
    if (!meta) faults.push(`${path}: has no ${name}.cls-meta.xml`);
    else if (xmlText(meta.xml, "apiVersion") !== apiVersion) faults.push(`${meta.path}: API version ${xmlText(meta.xml, "apiVersion")}, the project has ${apiVersion}`);
    const declared = [...classesOf(tree).values()].find((c) => !c.outer);
    if (!declared) continue;
    if (declared.name !== name) faults.push(`${path}: declares ${declared.name}`);
    if (name.length > 40) faults.push(`${path}: a class has a name of at most 40 characters`);
    const isTest = path.startsWith("tests/");
    if (isTest !== /@istest/.test(declared.modifiers.replace(/\s/g, ""))) faults.push(`${path}: ${isTest ? "no test" : "a test"} in this folder`);
    if (!isTest && !/\bwith sharing\b/.test(declared.modifiers) && !/exception$/i.test(declared.superclass ?? "")) faults.push(`${path}: not "with sharing"`);
    if (!isTest && !tests.some((t) => new RegExp(`\\b${name}(?:Test)?\\b`).test(t.text))) faults.push(`${path}: no test names ${name}`);
    for (const query of find(tree, "SoqlLiteral")) if (!isTest && !/WITH USER_MODE|WITH SECURITY_ENFORCED/i.test(textOf(query))) faults.push(`${path}:${query.start.line}: a query that is not in user mode`);
    for (const dml of ["InsertStatement", "UpdateStatement", "DeleteStatement", "UpsertStatement"].flatMap((s) => find(tree, s))) {
      if (!isTest && !part(dml, "AccessLevel")) faults.push(`${path}:${dml.start.line}: records are changed, but not "as user"`);
    }
  }
  return { faults, checked: `${sources.length} classes, two parsers` };
}

/** The files that follow from the contract are what the contract says now. */
export async function checkGenerated({ root }) {
  const faults = [];
  const files = Object.entries(await generated());
  for (const [path, text] of files) {
    let found;
    try {
      found = readFileSync(join(root, "force-app/main/default", path), "utf8");
    } catch {
      found = undefined;
    }
    if (found !== text) faults.push(`${path} is not what openapi/paybridge.json says; npm run generate`);
  }
  return { faults, checked: `${files.length} files` };
}

// Several projects are checked in one process by the tests, with most files the same.
const layoutFaults = new Map();

async function layoutFault(text) {
  if (!layoutFaults.has(text)) {
    layoutFaults.set(
      text,
      await isFormatted(text, FORMAT)
        .then(async (same) => (same ? undefined : `${await firstDifference(text)}: not laid out like the rest; npm run format`))
        .catch((error) => ` ${error.message.split("\n")[0].slice(0, 200)}`),
    );
  }
  return layoutFaults.get(text);
}

async function firstDifference(text) {
  const wanted = (await format(text, FORMAT)).split("\n");
  return text.split("\n").findIndex((line, i) => line !== wanted[i]) + 1;
}

function find(node, name) {
  return [...(rule(node) === name ? [node] : []), ...parts(node).flatMap((c) => find(c, name))];
}
