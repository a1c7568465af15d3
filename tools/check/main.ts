/** Checks the project's own rules: mirrored tests, the directions of imports, what each process loads, pages that describe the code, tests of what SECURITY.md claims, and slow regular expressions. */
import { existsSync, readFileSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { checkAssertions } from './assertions.ts'
import { checkClaims } from './claims.ts'
import { checkErrors } from './errors.ts'
import { checkExpressions } from './expressions.ts'
import { checkImports } from './imports.ts'
import { checkLinks } from './links.ts'
import { checkMirror, checkTests } from './mirror.ts'
import { checkPicture } from './picture.ts'
import { checkPrivileges } from './privileges.ts'
import { checkProse } from './prose.ts'
import { checkReadmes } from './readmes.ts'
import { readTree } from './tree.ts'

const root = new URL('../../', import.meta.url)
const tree = await readTree(root)
const pages = new Map<string, string>()
for await (const path of glob(['*.md', 'docs/**/*.md', '{packages/*,testbed}/README.md'], { cwd: fileURLToPath(root) }))
  pages.set(path, await readFile(new URL(path, root), 'utf8'))
const readIfExists = (path: string) => {
  const url = new URL(path, root)
  return existsSync(url) ? readFileSync(url, 'utf8') : undefined
}
const privileges = checkPrivileges(tree)
const faults = [
  ...checkAssertions(tree),
  ...checkLinks(pages, (path) => existsSync(new URL(path, root))),
  ...checkClaims(readIfExists),
  ...checkMirror(tree),
  ...checkTests(tree),
  ...checkImports(tree),
  ...privileges.faults,
  ...checkErrors(tree),
  ...checkExpressions(tree),
  ...checkReadmes(tree),
  ...checkPicture(tree),
  ...checkProse(tree, pages),
]
for (const line of privileges.proven) console.log(`tools: ${line}`)
for (const fault of faults) console.error(fault)
console.log(
  faults.length === 0 ? `tools: ${tree.size} files checked, no faults found` : `tools: ${faults.length} faults`,
)
if (faults.length > 0) process.exitCode = 1
