import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import type { Tree } from './tree.ts'

/** When an import loads: `static` with its file, `dynamic` when its line runs, `type` never, because Node erases it. */
type ImportKind = 'static' | 'dynamic' | 'type'

/** An import as it is written. */
export interface Import {
  readonly specifier: string
  readonly kind: ImportKind
}

/** An import of a file. The target is the path of a file of this project, or the name of a module. */
export interface Edge {
  readonly target: string
  readonly kind: ImportKind
  readonly ours: boolean
}

/** The files of the project and their imports. */
export interface Graph {
  /** The imports of each file in a `src/` folder, and of each file that those import. */
  readonly edges: ReadonlyMap<string, readonly Edge[]>
  /** Imports of files that do not exist, and imports of computed names. */
  readonly faults: readonly string[]
}

const comments = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm
const statement = /^(?:import|export)\s+(type\s)?[\w$*\s{},]*?\bfrom\s*['"]([^'"]+)['"]/gm
const bare = /^import\s*['"]([^'"]+)['"]/gm
const call = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
/** Code that loads a module by a computed name. */
const computed = /\bimport\(\s*(?!['"\s])|\bgetBuiltinModule\b|\bcreateRequire\b/

/**
 * Returns the imports of a module. `import { type X }` is static: Node erases the name and still loads the file. Pure.
 *
 * @see "Type stripping" in Node's documentation of TypeScript
 */
export function importsOf(text: string): readonly Import[] {
  const code = text.replaceAll(comments, '')
  return [
    ...[...code.matchAll(statement)].map(([, type, specifier = '']): Import => {
      return { specifier, kind: type === undefined ? 'static' : 'type' }
    }),
    ...[...code.matchAll(bare)].map(([, specifier = '']): Import => ({ specifier, kind: 'static' })),
    ...[...code.matchAll(call)].map(([, specifier = '']): Import => ({ specifier, kind: 'dynamic' })),
  ]
}

/** Returns the graph of the files in the `src/` folders of `packages/*` and `testbed`, and of the files that they import. Pure. */
export function readGraph(tree: Tree): Graph {
  const packages = packagesOf(tree)
  const edges = new Map<string, readonly Edge[]>()
  const faults: string[] = []
  const queue = [...tree.keys()].filter((path) => /^(packages\/[^/]+|testbed)\/src\/.*\.ts$/.test(path))
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (edges.has(path)) continue
    const text = tree.get(path) ?? ''
    if (computed.test(text.replaceAll(comments, '')))
      faults.push(
        `${path} loads a module by a computed name, so its imports cannot be checked; write the name as a literal`,
      )
    const own = importsOf(text).map(({ specifier, kind }) => ({ ...locate(packages, path, specifier), kind }))
    edges.set(path, own)
    for (const { target, ours } of own) {
      if (!ours) continue
      if (tree.has(target)) queue.push(target)
      else faults.push(`${path} imports ${target}, which does not exist`)
    }
  }
  return { edges, faults }
}

/** Returns everything that loads with these files: files by path, modules by name. Without `later`, dynamic imports are left out. */
export function closureOf(graph: Graph, entries: readonly string[], { later = true } = {}): ReadonlySet<string> {
  return new Set(waysFrom(graph, entries, { later }).keys())
}

/** Returns the shortest chain of imports from these files to a target: `a.ts > b.ts > node:fs`. */
export function wayTo(graph: Graph, entries: readonly string[], target: string, { later = true } = {}): string {
  const before = waysFrom(graph, entries, { later })
  const way: string[] = []
  for (let path: string | undefined = target; path !== undefined; path = before.get(path)) way.unshift(path)
  return way.join(' > ')
}

/** Returns everything that loads, nearest first, each with the file that imports it. */
function waysFrom(graph: Graph, entries: readonly string[], { later }: { readonly later: boolean }) {
  const kinds: readonly ImportKind[] = later ? ['static', 'dynamic'] : ['static']
  const before = new Map<string, string | undefined>(entries.map((entry) => [entry, undefined]))
  // The iteration of a map includes entries that are added during the iteration.
  for (const [path] of before) {
    for (const { target, kind } of graph.edges.get(path) ?? [])
      if (kinds.includes(kind) && !before.has(target)) before.set(target, path)
  }
  return before
}

/** Returns the circles of files that import each other, by imports of types too. Each circle occurs once, with its files sorted. */
export function circlesIn(graph: Graph): readonly (readonly string[])[] {
  const paths = [...graph.edges.keys()].toSorted()
  const reached = new Map(paths.map((path) => [path, reachedFrom(graph, path)]))
  const circles = new Set<string>()
  for (const path of paths) {
    if (reached.get(path)?.has(path) !== true) continue
    const circle = paths.filter(
      (other) => reached.get(path)?.has(other) === true && reached.get(other)?.has(path) === true,
    )
    circles.add(circle.join('\n'))
  }
  return [...circles].map((circle) => circle.split('\n'))
}

/** Returns the files that a file reaches by one import or more. They include the file itself only when it is in a circle. */
function reachedFrom(graph: Graph, path: string): ReadonlySet<string> {
  const reached = new Set<string>()
  const queue = [path]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const { target, ours } of graph.edges.get(next) ?? []) {
      if (!ours || reached.has(target)) continue
      reached.add(target)
      queue.push(target)
    }
  }
  return reached
}

/** A package of the workspace. */
export interface Package {
  readonly name: string
  readonly folder: string
  readonly exports: Readonly<Record<string, string>>
}

/** Returns the packages of the workspace by name. */
export function packagesOf(tree: Tree): ReadonlyMap<string, Package> {
  const found = [...tree].flatMap(([path, text]): [string, Package][] => {
    const [, folder] = /^(packages\/[^/]+|testbed)\/package\.json$/.exec(path) ?? []
    if (folder === undefined) return []
    const { name, exports = {} } = JSON.parse(text) as Partial<Package> & { readonly name: string }
    return [[name, { name, folder, exports }]]
  })
  return new Map(found)
}

function locate(packages: ReadonlyMap<string, Package>, from: string, specifier: string): Omit<Edge, 'kind'> {
  if (specifier.startsWith('.')) return { target: posix.join(posix.dirname(from), specifier), ours: true }
  const [, name = '', rest = ''] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier) ?? []
  const owner = packages.get(name)
  if (owner === undefined)
    return { target: isBuiltin(specifier) ? `node:${specifier.replace(/^node:/, '')}` : specifier, ours: false }
  return { target: posix.join(owner.folder, exported(owner, `.${rest}`) ?? `(no export ".${rest}")`), ours: true }
}

/** Returns the files that a package exports, including those of a pattern, without some subpaths. */
export function exportsOf(tree: Tree, name: string, without: readonly string[] = []): readonly string[] {
  const { folder, exports = {} } = packagesOf(tree).get(name) ?? { folder: '' }
  const targets = Object.entries(exports).filter(([subpath]) => !without.includes(subpath))
  return targets.flatMap(([, target]) => {
    const [before = '', after] = posix.join(folder, target).split('*')
    if (after === undefined) return [before]
    return [...tree.keys()].filter((path) => path.startsWith(before) && path.endsWith(after))
  })
}

/** Returns the file of a subpath of a package. @see "Subpath patterns" in Node's documentation of packages */
function exported({ exports }: Package, subpath: string): string | undefined {
  const exact = exports[subpath]
  if (exact !== undefined) return exact
  for (const [pattern, target] of Object.entries(exports)) {
    const [before = '', after] = pattern.split('*')
    if (after === undefined || !subpath.startsWith(before) || !subpath.endsWith(after)) continue
    return target.replace('*', subpath.slice(before.length, subpath.length - after.length))
  }
  return undefined
}
