/** The project's own rules, checked: mirrored tests, import directions, the errors catalogue, README examples. */
import { checkErrors } from './check/errors.ts'
import { checkImports } from './check/imports.ts'
import { checkMirror } from './check/mirror.ts'
import { checkReadmes } from './check/readmes.ts'
import { readTree } from './check/tree.ts'

const tree = await readTree(new URL('../', import.meta.url))
const faults = [...checkMirror(tree), ...checkImports(tree), ...checkErrors(tree), ...checkReadmes(tree)]
for (const fault of faults) console.error(fault)
console.log(
  faults.length === 0 ? `tools: ${tree.size} files checked, nothing to say` : `tools: ${faults.length} faults`,
)
if (faults.length > 0) process.exitCode = 1
