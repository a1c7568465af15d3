/** The project's own rules: mirrored tests, the directions of imports, what each process loads, the pages that follow the code. */
import { checkAssertions } from './assertions.ts'
import { checkErrors } from './errors.ts'
import { checkImports } from './imports.ts'
import { checkMirror } from './mirror.ts'
import { checkPicture } from './picture.ts'
import { checkPrivileges } from './privileges.ts'
import { checkReadmes } from './readmes.ts'
import { readTree } from './tree.ts'

const tree = await readTree(new URL('../../', import.meta.url))
const privileges = checkPrivileges(tree)
const faults = [
  ...checkAssertions(tree),
  ...checkMirror(tree),
  ...checkImports(tree),
  ...privileges.faults,
  ...checkErrors(tree),
  ...checkReadmes(tree),
  ...checkPicture(tree),
]
for (const line of privileges.proven) console.log(`tools: ${line}`)
for (const fault of faults) console.error(fault)
console.log(
  faults.length === 0 ? `tools: ${tree.size} files checked, nothing to say` : `tools: ${faults.length} faults`,
)
if (faults.length > 0) process.exitCode = 1
