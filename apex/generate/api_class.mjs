import { format } from "prettier";
import { jsonSchemaOf, nameOf } from "./contract.mjs";

// The contract in Apex: a class for each schema and a method for each operation, so that a name that the contract does not
// have is refused by the compiler.

/** The source of PaybridgeApi, formatted. */
export async function apiClass({ operations, schemas }) {
  const source = `/**
 * The REST API of paybridge: one method for each operation, one class for each body. Made from the contract by
 * "npm run generate"; not to be edited.
 *
 * Every method makes one callout, and throws a PaybridgeException when the answer is an error.
 */
public with sharing class PaybridgeApi {
    private final PaybridgeClient client;

    /** Calls through the Named Credential, with the usual patience. */
    public PaybridgeApi() {
        this(new PaybridgeClient());
    }

    /** Calls as this client does. */
    public PaybridgeApi(PaybridgeClient client) {
        this.client = client;
    }

${operations.map(method).join("\n")}
${Object.entries(schemas).map(([name, schema]) => bodyClass(name, schema)).join("\n")}
}
`;
  return format(source, FORMAT);
}

/** How all Apex of the package is laid out. */
export const FORMAT = { parser: "apex", plugins: ["prettier-plugin-apex"], tabWidth: 4, printWidth: 110, apexStandaloneParser: "native" };

function method({ path, method, operation }) {
  const body = nameOf(jsonSchemaOf(operation.requestBody)?.$ref);
  const answer = nameOf(jsonSchemaOf(operation.responses["2XX"]).$ref);
  const parameters = (operation.parameters ?? []).filter((p) => p.in === "path" || p.in === "query");
  const args = parameters.map((p) => `${apexType(p.schema)} ${p.name}`);
  if (body) args.push(`${body} body`);
  let url = `'${path.replace(/\{(\w+)\}/g, (_, name) => `' + PaybridgeClient.segment(${name}) + '`)}'`.replace(/ \+ ''$/, "");
  const query = parameters.filter((p) => p.in === "query").map((p) => `'${p.name}' => ${p.name}`);
  if (query.length > 0) url += ` + PaybridgeClient.query(new Map<String, Object>{ ${query.join(", ")} })`;
  return `${comment(operation.summary ?? operation.description ?? operation.operationId, "    ")}    public ${answer} ${operation.operationId}(${args.join(", ")}) {
        return (${answer}) client.call('${method.toUpperCase()}', ${url}, ${body ? "body" : "null"}, ${answer}.class);
    }
`;
}

function bodyClass(name, { description, properties = {} }) {
  const fields = Object.entries(properties).map(([property, schema]) => {
    const says = schema.description ? comment(schema.description, "        ") : "";
    return `${says}        public ${apexType(schema)} ${property};`;
  });
  return `${comment(description ?? name, "    ")}    public class ${name} {
${fields.join("\n")}
    }
`;
}

/** Amounts are text, so that no digit is lost on the way. */
export function apexType(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.allOf?.length === 1) return apexType(schema.allOf[0]);
  if (schema.type === "array") return `List<${apexType(schema.items)}>`;
  const type = APEX_TYPES[`${schema.type} ${schema.format}`] ?? APEX_TYPES[schema.type];
  if (!type) throw new Error(`no Apex type for ${JSON.stringify(schema)}`);
  return type;
}

const APEX_TYPES = {
  boolean: "Boolean",
  integer: "Integer",
  "integer int64": "Long",
  number: "Decimal",
  string: "String",
  "string date": "Date",
  "string date-time": "Datetime",
};

/** A comment, on as many lines as it takes. */
function comment(text, indent) {
  const words = text.replace(/\*\//g, "* /").trim().split(/\s+/);
  const lines = [[]];
  for (const word of words) {
    if ([...lines.at(-1), word].join(" ").length > FORMAT.printWidth - indent.length - 8) lines.push([]);
    lines.at(-1).push(word);
  }
  const [first, ...rest] = lines.map((line) => line.join(" "));
  if (rest.length === 0) return `${indent}/** ${first} */\n`;
  return `${indent}/**\n${[first, ...rest].map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}
