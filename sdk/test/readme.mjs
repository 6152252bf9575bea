// Runs the examples of the README in order, as one program.

import { readFileSync } from "node:fs";
import * as sdk from "@surety/sdk";
import * as viem from "viem";

const AsyncFunction = (async () => {}).constructor;

/** Gives the arguments of each `console.log`. */
export async function runReadme(given) {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const examples = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code).join("\n");
  const program = examples.replace(/^import (\{[^}]*\}) from ("[^"]*");$/gm, "const $1 = modules[$2];");
  const said = [];
  const names = { ...given, modules: { viem, "@surety/sdk": sdk }, console: { log: (...values) => said.push(values) } };
  await new AsyncFunction(...Object.keys(names), program)(...Object.values(names));
  return said;
}
