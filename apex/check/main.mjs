// Checks the metadata without an org. Runs the checks in order and stops after the first that finds a fault,
// because a later check takes for granted what an earlier one has shown.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkConversion } from "./conversion.mjs";
import { checkModel } from "./model.mjs";
import { checkObjects } from "./objects.mjs";
import { checkPermissionSets } from "./permission_sets.mjs";
import { readProject } from "./project.mjs";
import { checkRelationships } from "./relationships.mjs";
import { checkShape } from "./shape.mjs";
import { checkFields } from "./fields.mjs";

const CHECKS = [
  ["elements: known, complete, in order, legal values", checkShape],
  ["objects: names, history, sharing, limits", checkObjects],
  ["fields: names, lengths, precision, picklists, keys", checkFields],
  ["relationships: targets and names", checkRelationships],
  ["record model: the same common fields on every Stripe object", checkModel],
  ["permission sets: complete, deployable, no more than needed", checkPermissionSets],
  ["conversion: every component arrives in package.xml", checkConversion],
];

// Another root can be given, so that the check can be tried on a damaged copy.
const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));
if (!existsSync(join(root, "sfdx-project.json"))) {
  console.error(`no sfdx-project.json in ${root}`);
  process.exit(2);
}

const { project, faults } = readProject(root);
report("files: well-formed, the right type, named after what they hold", faults, `${project.files.length} files`);
for (const [title, check] of CHECKS) {
  const { faults, checked } = await check(project);
  report(title, faults, checked);
}

function report(title, faults, checked) {
  if (faults.length === 0) {
    console.log(`ok    ${title} (${checked})`);
    return;
  }
  console.error(`FAULT ${title}`);
  for (const fault of faults) console.error(`      ${fault}`);
  process.exit(1);
}
