import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { parseXml, textOf } from "./xml.mjs";

const NAMESPACE = "http://soap.sforce.com/2006/04/metadata";

// What is expected where: the pattern of the path below main/default, and the root element of the file.
const KINDS = [
  ["objects", /^objects\/(?<object>\w+)\/(?<name>\w+)\.object-meta\.xml$/, "CustomObject"],
  ["fields", /^objects\/(?<object>\w+)\/fields\/(?<name>\w+)\.field-meta\.xml$/, "CustomField"],
  ["permissionSets", /^permissionsets\/(?<name>\w+)\.permissionset-meta\.xml$/, "PermissionSet"],
];

// Folders in which every file is of one of these kinds. What lies elsewhere is only converted.
const FOLDERS = ["objects", "permissionsets"];

/**
 * Reads the metadata of objects and permission sets. `project` has `root`, `apiVersion`, `files`, and `objects`, `fields`, `permissionSets`: lists of
 * `{ path, name, object, xml }`, where `xml` is the root element. A file that cannot be read is a fault.
 */
export function readProject(root) {
  const config = JSON.parse(readFileSync(join(root, "sfdx-project.json"), "utf8"));
  const project = { root, apiVersion: config.sourceApiVersion, files: [], objects: [], fields: [], permissionSets: [] };
  const faults = [];
  const main = join(root, config.packageDirectories.find((d) => d.default).path, "main", "default");
  for (const entry of readdirSync(main, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const path = relative(main, file).split(sep).join("/");
    if (!FOLDERS.includes(path.split("/")[0])) continue;
    project.files.push(path);
    const fault = readInto(project, path, readFileSync(file, "utf8"));
    if (fault) faults.push(`${path}: ${fault}`);
  }
  for (const list of [project.objects, project.fields, project.permissionSets]) {
    list.sort((a, b) => (a.path < b.path ? -1 : 1));
  }
  for (const kind of ["objects", "fields", "permissionSets"]) {
    if (project[kind].length === 0) faults.push(`no ${kind} found in ${main}`);
  }
  return { project, faults };
}

function readInto(project, path, source) {
  const kind = KINDS.find(([, pattern]) => pattern.test(path));
  if (!kind) return "nothing that belongs in this folder has such a name";
  const [list, pattern, rootName] = kind;
  const { name, object } = pattern.exec(path).groups;
  let xml;
  try {
    xml = parseXml(source);
  } catch (error) {
    return `not well-formed: ${error.message}`;
  }
  if (xml.name !== rootName || xml.namespace !== NAMESPACE) return `root element is not ${rootName} of ${NAMESPACE}`;
  project[list].push({ path, name, object, xml });
  if (list === "objects" && name !== object) return `named ${basename(path)} in the folder of ${object}`;
  if (list === "fields" && textOf(xml, "fullName") !== name) return `fullName is ${textOf(xml, "fullName")}`;
  return undefined;
}
