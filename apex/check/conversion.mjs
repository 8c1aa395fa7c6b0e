import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childrenOf, parseXml, textOf } from "./xml.mjs";

// The library writes a log below the home directory and reports usage unless told otherwise, at import.
process.env.SF_DISABLE_LOG_FILE = "true";
process.env.SF_DISABLE_TELEMETRY = "true";

// A folder of reports is listed among the reports, with a slash at its end.
const MANIFEST_TYPE = { ReportFolder: "Report" };

/** Converts to the form that a deploy sends, with Salesforce's own library, and compares it with the source files. */
export async function checkConversion(project) {
  const { ComponentSet, MetadataConverter } = await import("@salesforce/source-deploy-retrieve");
  const out = mkdtempSync(join(tmpdir(), "paybridge-mdapi-"));
  try {
    const components = ComponentSet.fromSource(join(project.root, "force-app"));
    components.sourceApiVersion = project.apiVersion;
    const target = { type: "directory", outputDirectory: out, genUniqueDir: false };
    await new MetadataConverter().convert(components, "metadata", target);
    return compare(project, out);
  } finally {
    rmSync(out, { recursive: true });
  }
}

function compare({ apiVersion, components, fields }, out) {
  const faults = [];
  const manifest = parseXml(readFileSync(join(out, "package.xml"), "utf8"));
  const arrived = childrenOf(manifest, "types").flatMap((t) => childrenOf(t, "members").map((m) => `${textOf(t, "name")} ${m.text}`));
  const sent = components.map((c) => `${MANIFEST_TYPE[c.xml.name] ?? c.xml.name} ${fullName(c)}`);
  if (textOf(manifest, "version") !== apiVersion) faults.push(`package.xml has version ${textOf(manifest, "version")}, expected ${apiVersion}`);
  for (const c of sent) if (!arrived.includes(c)) faults.push(`package.xml lacks ${c}`);
  // A standard object is listed because of its fields.
  const parents = fields.map((f) => `CustomObject ${f.object}`);
  for (const c of arrived) if (![...sent, ...parents].includes(c)) faults.push(`package.xml has ${c}, which is not in the source files`);
  for (const [object, names] of groupByObject(fields)) {
    const converted = parseXml(readFileSync(join(out, "objects", `${object}.object`), "utf8"));
    const inside = childrenOf(converted, "fields").map((f) => textOf(f, "fullName"));
    for (const { name } of names) if (!inside.includes(name)) faults.push(`objects/${object}.object lacks ${name}`);
  }
  return { faults, checked: `${sent.length} components, API version ${apiVersion}` };
}

function fullName({ path, name, object, xml }) {
  if (object && xml.name !== "CustomObject") return `${object}.${name}`;
  if (xml.name === "ReportFolder") return `${name}/`;
  const inFolder = /^reports\/(\w+)\//.exec(path);
  return inFolder ? `${inFolder[1]}/${name}` : name;
}

function groupByObject(fields) {
  const groups = new Map();
  for (const field of fields) groups.set(field.object, [...(groups.get(field.object) ?? []), field]);
  return groups;
}
