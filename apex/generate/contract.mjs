import { readFileSync } from "node:fs";

export const CONTRACT = new URL("../../openapi/paybridge.json", import.meta.url);

/**
 * What Salesforce calls: the operations below /v1/ in the order of the document, and the schemas that they reach. What is
 * for those who run the service stays out; the org's credential does not open it.
 */
export function readContract(url = CONTRACT) {
  const document = JSON.parse(readFileSync(url, "utf8"));
  const operations = [];
  const paths = {};
  for (const [path, methods] of Object.entries(document.paths)) {
    if (!path.startsWith("/v1/")) continue;
    const called = Object.entries(methods).filter(([, operation]) => !operation.tags.includes("operations") || path.startsWith("/v1/operations/"));
    if (called.length > 0) paths[path] = Object.fromEntries(called);
    for (const [method, operation] of called) operations.push({ path, method, operation });
  }
  const reached = new Set();
  reach(paths, document.components.schemas, reached);
  const schemas = Object.fromEntries(Object.entries(document.components.schemas).filter(([name]) => reached.has(name)));
  return { document, paths, operations, schemas };
}

/** The last part of "#/components/schemas/Name". */
export const nameOf = (reference) => reference?.split("/").at(-1);

/** The schema of what is sent or answered as JSON. */
export const jsonSchemaOf = (holder) => holder?.content?.["application/json"]?.schema;

function reach(value, schemas, reached) {
  if (Array.isArray(value)) value.forEach((part) => reach(part, schemas, reached));
  else if (value && typeof value === "object") {
    for (const [key, part] of Object.entries(value)) {
      if (key !== "$ref") reach(part, schemas, reached);
      else if (!reached.has(nameOf(part))) {
        reached.add(nameOf(part));
        reach(schemas[nameOf(part)], schemas, reached);
      }
    }
  }
}
