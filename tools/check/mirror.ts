import { isHelper } from '../testing/files.ts'
import type { Tree } from './tree.ts'

/** Source files without a test at the same path, and the tests that cover them. */
const testedElsewhere: readonly (readonly [RegExp, string])[] = [
  [/^packages\/api\/src\/schemas\//, 'test/plugins/openapi.ts and test/bad-input.ts'],
  [/^packages\/puppy\/src\/commands\/(api|agent|signals)\.ts$/, 'test/commands/up.ts starts, kills and restarts them'],
  [/^packages\/agent\/src\/facilities\/(facility|index)\.ts$/, 'test/reconcile.ts and every whole-system test'],
  [
    /^testbed\/src\/(image|state|dependencies|testbed|paths|errors)\.ts$/,
    'every run of test:host builds, saves and starts guests',
  ],
  [
    /^packages\/state\/src\/store\/notify\.ts$/,
    'the tests of api/observer and of agent/agent listen for its notifications',
  ],
]

/** Checks that every source file has a test at the same path. Files with only types or re-exports need none. Pure. */
export function checkMirror(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!/^(packages\/[^/]+|testbed)\/src\/.*\.ts$/.test(path) || !runs(text)) return []
    if (testedElsewhere.some(([pattern]) => pattern.test(path))) return []
    const test = path.replace('/src/', '/test/')
    return tree.has(test) ? [] : [`${path} has no test at ${test}`]
  })
}

/** Checks that every file under `test/` is a test or is in a folder of helpers. The runner starts every other file there. Pure. */
export function checkTests(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!/(^|\/)test\/.*\.ts$/.test(path) || isHelper(path)) return []
    if (/^import t\b.* from 'tap'$/m.test(text)) return []
    return [`${path} is not a test: it does not import t from tap. Move it to a folder named support`]
  })
}

/** Returns whether a module has statements besides types, imports and re-exports. Pure. */
export function runs(text: string): boolean {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  return /^(export )?(async )?(function|const|let|class|default|await|if|for|try|console|process)\b/m.test(code)
}
