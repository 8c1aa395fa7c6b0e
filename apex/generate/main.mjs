// Writes what follows from the contract: `npm run generate`, after openapi/paybridge.json has changed.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { generated } from "./generated.mjs";

const root = new URL("../force-app/main/default/", import.meta.url);
for (const [path, text] of Object.entries(await generated())) {
  const file = fileURLToPath(new URL(path, root));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`wrote ${path}`);
}
