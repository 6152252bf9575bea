// Writes src/abi.ts from the committed artifacts of the contracts, or with --check compares.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const sdk = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(sdk, "src/abi.ts");
const CONTRACTS = [
  "Bridge",
  "Claims",
  "Inbox",
  "L1CrossDomainMessenger",
  "L1StandardBridge",
  "L2CrossDomainMessenger",
  "L2StandardBridge",
  "L2ToL1MessagePasser",
  "OptimismMintableERC20",
  "OptimismMintableERC20Factory",
];

/** Without the compiler's own names of types: nothing that encodes or decodes reads them. */
const bare = (value) =>
  Array.isArray(value)
    ? value.map(bare)
    : value && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== "internalType").map(([name, inner]) => [name, bare(inner)]))
      : value;

/** The text of src/abi.ts. */
export function generate() {
  const parts = CONTRACTS.map((name) => {
    const { abi } = JSON.parse(readFileSync(join(sdk, "../contracts/artifacts", `${name}.json`), "utf8"));
    const constant = `${name.replace(/^(L[12]|[A-Z])/, (start) => start.toLowerCase())}Abi`;
    const entries = abi.filter((entry) => entry.type !== "constructor").map((entry) => `  ${JSON.stringify(bare(entry))},\n`);
    return `/** ABI of \`${name}\`. */\nexport const ${constant} = [\n${entries.join("")}] as const;\n`;
  });
  return `// Generated from contracts/artifacts by \`npm run abi\`. Do not edit.\n\n${parts.join("\n")}`;
}

/** What is committed. */
export const committed = () => readFileSync(target, "utf8");

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes("--check")) {
    writeFileSync(target, generate());
  } else if (committed() !== generate()) {
    console.error("src/abi.ts is not that of contracts/artifacts: npm run abi");
    process.exit(1);
  }
}
