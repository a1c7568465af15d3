import { isHelper } from '../testing/files.ts'
import type { Tree } from './tree.ts'

/** Folders of data or of processes: what is in them is tested where it is used, and these say where. */
const testedElsewhere: readonly (readonly [RegExp, string])[] = [
  [/^packages\/api\/src\/schemas\//, 'test/plugins/openapi.ts and test/bad-input.ts'],
  [/^packages\/puppy\/src\/commands\/(api|agent|signals)\.ts$/, 'test/commands/up.ts starts, kills and restarts them'],
  [/^packages\/agent\/src\/facilities\/(facility|index)\.ts$/, 'test/reconcile.ts and every whole-system test'],
  [
    /^testbed\/src\/(image|state|dependencies|testbed|paths|errors)\.ts$/,
    'every run of test:host builds, saves and starts',
  ],
  [/^packages\/state\/src\/store\/notify\.ts$/, 'the tests of api/observer and of agent/agent listen for it'],
]

/**
 * Every source file has its test at the same path. Files without anything that runs (types only, re-exports) need none.
 */
export function checkMirror(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!/^(packages\/[^/]+|testbed)\/src\/.*\.ts$/.test(path) || !runs(text)) return []
    if (testedElsewhere.some(([pattern]) => pattern.test(path))) return []
    const test = path.replace('/src/', '/test/')
    return tree.has(test) ? [] : [`${path} has no test at ${test}`]
  })
}

/** Every file under `test/` is a test, or is in a folder of helpers: the runner starts whatever else it finds there. */
export function checkTests(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!/(^|\/)test\/.*\.ts$/.test(path) || isHelper(path)) return []
    if (/^import t\b.* from 'tap'$/m.test(text)) return []
    return [`${path} is not a test: it does not import t from tap. Move it to a folder support`]
  })
}

/** Whether a module has statements left once types, imports and re-exports are taken away. */
export function runs(text: string): boolean {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  return /^(export )?(async )?(function|const|let|class|default|await|if|for|try|console|process)\b/m.test(code)
}
