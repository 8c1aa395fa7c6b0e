import { checkActions } from "./actions.mjs";
import { checkApex, checkGenerated } from "./apex.mjs";
import { checkConversion } from "./conversion.mjs";
import { checkCredentials } from "./credentials.mjs";
import { checkEvents } from "./events.mjs";
import { checkFields } from "./fields.mjs";
import { checkFlows } from "./flows.mjs";
import { checkModel } from "./model.mjs";
import { checkObjects } from "./objects.mjs";
import { checkPermissionSets } from "./permission_sets.mjs";
import { checkPresentation } from "./presentation.mjs";
import { readProject } from "./project.mjs";
import { checkRelationships } from "./relationships.mjs";
import { checkShape } from "./shape.mjs";
import { checkAgainstWsdl } from "./wsdl.mjs";

const CHECKS = [
  ["Salesforce's WSDL: elements, order, values", checkAgainstWsdl],
  ["elements: known, complete, in order, legal values", checkShape],
  ["objects: names, history, sharing, limits", checkObjects],
  ["fields: names, lengths, precision, picklists, keys", checkFields],
  ["relationships: targets and names", checkRelationships],
  ["record model: the same common fields on every Stripe object", checkModel],
  ["platform events: published after the commit, with what a subscriber needs", checkEvents],
  ["presentation: every field of every object can be seen", checkPresentation],
  ["credentials: they fit together", checkCredentials],
  ["contract: what is made from it is current", checkGenerated],
  ["Apex: parsed twice, names, layout, sharing, tests", checkApex],
  ["actions: found and understood in Flow Builder", checkActions],
  ["flows: scanned, and all names in them exist", checkFlows],
  ["permission sets: complete, deployable, no more than needed", checkPermissionSets],
  ["conversion: every component arrives in package.xml", checkConversion],
];

/**
 * Runs the checks in order and ends after the first that finds a fault, because a later check takes for granted what an
 * earlier one has shown. Yields `{ title, faults, checked }`.
 */
export async function* checkAll(root) {
  const { project, faults } = readProject(root);
  yield { title: "files: well-formed, the right type, named after what they hold", faults, checked: `${project.files.length} files` };
  if (faults.length > 0) return;
  for (const [title, check] of CHECKS) {
    const result = await check(project);
    yield { title, ...result };
    if (result.faults.length > 0) return;
  }
}
