import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { parseXml, textOf } from "./xml.mjs";

const NAMESPACE = "http://soap.sforce.com/2006/04/metadata";

// Files that the checks of objects and rights read one by one: the path below main/default, and the root element.
const KINDS = [
  ["events", /^objects\/(?<object>\w+__e)\/(?<name>\w+)\.object-meta\.xml$/, "CustomObject"],
  ["eventFields", /^objects\/(?<object>\w+__e)\/fields\/(?<name>\w+)\.field-meta\.xml$/, "CustomField"],
  ["objects", /^objects\/(?<object>\w+)\/(?<name>\w+)\.object-meta\.xml$/, "CustomObject"],
  ["fields", /^objects\/(?<object>\w+)\/fields\/(?<name>\w+)\.field-meta\.xml$/, "CustomField"],
  ["permissionSets", /^permissionsets\/(?<name>\w+)\.permissionset-meta\.xml$/, "PermissionSet"],
];

// Everything else, by its suffix: the folder it belongs into, and the root element.
const SUFFIXES = {
  "app-meta.xml": ["applications", "CustomApplication"],
  "cls-meta.xml": ["classes", "ApexClass"],
  "compactLayout-meta.xml": ["objects", "CompactLayout"],
  "externalCredential-meta.xml": ["externalCredentials", "ExternalCredential"],
  "externalServiceRegistration-meta.xml": ["externalServiceRegistrations", "ExternalServiceRegistration"],
  "flow-meta.xml": ["flows", "Flow"],
  "layout-meta.xml": ["layouts", "Layout"],
  "listView-meta.xml": ["objects", "ListView"],
  "namedCredential-meta.xml": ["namedCredentials", "NamedCredential"],
  "quickAction-meta.xml": ["quickActions", "QuickAction"],
  "report-meta.xml": ["reports", "Report"],
  "reportFolder-meta.xml": ["reports", "ReportFolder"],
  "tab-meta.xml": ["tabs", "CustomTab"],
  "trigger-meta.xml": ["triggers", "ApexTrigger"],
};

/**
 * Reads the whole package. `project` has `root`, `apiVersion`, `files`; `components`: every metadata file; `objects`,
 * `fields`, `events`, `eventFields`, `permissionSets`: those of one kind, platform events apart from objects; `sources`: the Apex. A component is `{ path, name, object, xml }`, where
 * `xml` is the root element; a source is `{ path, file, name, text }`. A file that cannot be read is a fault.
 */
export function readProject(root) {
  const config = JSON.parse(readFileSync(join(root, "sfdx-project.json"), "utf8"));
  const project = { root, apiVersion: config.sourceApiVersion, files: [], components: [], objects: [], fields: [], events: [], eventFields: [], permissionSets: [], sources: [] };
  const faults = [];
  const top = join(root, config.packageDirectories.find((d) => d.default).path);
  for (const entry of readdirSync(top, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const path = relative(top, file).split(sep).join("/").replace(/^main\/default\//, "");
    project.files.push(path);
    const fault = readInto(project, path, file);
    if (fault) faults.push(`${path}: ${fault}`);
  }
  for (const list of [project.components, project.objects, project.fields, project.permissionSets, project.sources]) {
    list.sort((a, b) => (a.path < b.path ? -1 : 1));
  }
  for (const kind of ["objects", "fields", "permissionSets"]) {
    if (project[kind].length === 0) faults.push(`no ${kind} found in ${top}`);
  }
  return { project, faults };
}

function readInto(project, path, file) {
  const source = readFileSync(file, "utf8");
  const apex = /(?<name>\w+)\.(?:cls|trigger)$/.exec(path);
  if (apex) {
    project.sources.push({ path, file, name: apex.groups.name, text: source });
    return undefined;
  }
  const kind = KINDS.find(([, pattern]) => pattern.test(path));
  const [suffix, [folder, suffixRoot] = []] = Object.entries(SUFFIXES).find(([end]) => path.endsWith(`.${end}`)) ?? [];
  if (!kind && !path.split("/").includes(folder)) return "nothing that belongs in this folder has such a name";
  const rootName = kind?.[2] ?? suffixRoot;
  let xml;
  try {
    xml = parseXml(source);
  } catch (error) {
    return `not well-formed: ${error.message}`;
  }
  if (xml.name !== rootName || xml.namespace !== NAMESPACE) return `root element is not ${rootName} of ${NAMESPACE}`;
  const parts = kind ? kind[1].exec(path).groups : { name: basename(path, `.${suffix}`), object: /^objects\/(\w+)\//.exec(path)?.[1] };
  const component = { path, name: parts.name, object: parts.object, xml };
  project.components.push(component);
  if (!kind) return undefined;
  project[kind[0]].push(component);
  if (kind[0] === "objects" && parts.name !== parts.object) return `named ${basename(path)} in the folder of ${parts.object}`;
  if (kind[0] === "fields" && textOf(xml, "fullName") !== parts.name) return `fullName is ${textOf(xml, "fullName")}`;
  return undefined;
}
