/** The project's own rules, checked: assertions that can fail, mirrored tests, import directions, the errors catalogue, READMEs. */
import { checkAssertions } from './check/assertions.ts'
import { checkErrors } from './check/errors.ts'
import { checkImports } from './check/imports.ts'
import { checkMirror } from './check/mirror.ts'
import { checkReadmes } from './check/readmes.ts'
import { readTree } from './check/tree.ts'

const tree = await readTree(new URL('../', import.meta.url))
const faults = [
  ...checkAssertions(tree),
  ...checkMirror(tree),
  ...checkImports(tree),
  ...checkErrors(tree),
  ...checkReadmes(tree),
]
for (const fault of faults) console.error(fault)
console.log(
  faults.length === 0 ? `tools: ${tree.size} files checked, nothing to say` : `tools: ${faults.length} faults`,
)
if (faults.length > 0) process.exitCode = 1
