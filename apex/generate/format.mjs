// Lays out all Apex: `npm run format`.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { readProject } from "../check/project.mjs";
import { FORMAT } from "./api_class.mjs";

const { project } = readProject(fileURLToPath(new URL("..", import.meta.url)));
for (const { path, file, text } of project.sources) {
  const formatted = await format(text, FORMAT);
  if (formatted === text) continue;
  writeFileSync(file, formatted);
  console.log(`laid out ${path}`);
}
