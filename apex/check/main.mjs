// Checks the package without an org, and says what is wrong with it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkAll } from "./all.mjs";

// Another root can be given, so that the check can be tried on a damaged copy.
const root = process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url));
if (!existsSync(join(root, "sfdx-project.json"))) {
  console.error(`no sfdx-project.json in ${root}`);
  process.exit(2);
}

for await (const { title, faults, checked } of checkAll(root)) {
  if (faults.length === 0) {
    console.log(`ok    ${title} (${checked})`);
    continue;
  }
  console.error(`FAULT ${title}`);
  for (const fault of faults) console.error(`      ${fault}`);
  process.exitCode = 1;
}
