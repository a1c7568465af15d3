import { packagesOf, readGraph, type Edge, type Graph, type Package } from './graph.ts'
import type { Tree } from './tree.ts'

/** The page with the picture. */
export const page = 'ARCHITECTURE.md'
const begin = '<!-- Made from the code by `node tools/picture.ts`: begin -->'
const end = '<!-- end -->'

/** The imports of one package. */
interface Row {
  readonly name: string
  /** The imported subpaths of each package of this project. An empty list means the whole package. */
  readonly ours: ReadonlyMap<string, readonly string[]>
  readonly types: ReadonlyMap<string, readonly string[]>
  /** The npm packages that it depends on. */
  readonly others: readonly string[]
}

/** Returns a fault unless the page shows the present imports. Pure. */
export function checkPicture(tree: Tree): readonly string[] {
  const text = tree.get(page) ?? ''
  const at = text.indexOf(begin)
  if (at < 0 || !text.includes(end, at))
    return [`${page} lacks the lines for the picture of the packages: ${begin} and ${end}`]
  return drawPicture(tree) === text
    ? []
    : [`${page} does not show the present imports of the packages; run: node tools/picture.ts`]
}

/** Returns the page with a picture of the packages and their imports. Pure. */
export function drawPicture(tree: Tree): string {
  const text = tree.get(page) ?? ''
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  return `${text.slice(0, from)}${begin}\n\n${renderPicture(rowsOf(tree))}\n${text.slice(to)}`
}

function renderPicture(rows: readonly Row[]): string {
  const cells = rows.map(({ name, ours, types, others }) => [
    `\`${name}\``,
    wordsOf(ours).join(', ') || 'nothing',
    wordsOf(types).join(', '),
    others.join(', '),
  ])
  const heads = ['package', 'imports of this project', 'imports only types of', 'npm packages']
  const table = [heads, heads.map(() => '---'), ...cells]
  return [
    '```mermaid',
    'graph TD',
    ...rows.flatMap((row) => arrowsOf(row, rows)),
    '```',
    '',
    'An arrow is left out when a longer path leads to the same package. The table has all imports.',
    '',
    ...table.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n')
}

/** Renders imports: `accounts/keys`, or `accounts` for the whole package. */
function wordsOf(imports: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return [...imports].flatMap(([name, subpaths]) =>
    subpaths.length === 0 ? [name] : subpaths.map((subpath) => `${name}/${subpath}`),
  )
}

/** Renders the arrows of a package: a plain arrow for a whole package, a dotted arrow for the subpaths that it names. */
function arrowsOf({ name, ours }: Row, rows: readonly Row[]): readonly string[] {
  const implied = new Set([...ours.keys()].flatMap((target) => reachedFrom(target, rows)))
  return [...ours]
    .filter(([target]) => !implied.has(target))
    .map(([target, subpaths]) =>
      subpaths.length === 0 ? `  ${name} --> ${target}` : `  ${name} -. "${subpaths.join(', ')}" .-> ${target}`,
    )
}

/** Returns all packages that a package reaches. Another rule reports packages that reach each other. */
function reachedFrom(name: string, rows: readonly Row[]): readonly string[] {
  const reached = new Set<string>()
  const queue = [name]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const target of rows.find((row) => row.name === next)?.ours.keys() ?? []) {
      if (reached.has(target)) continue
      reached.add(target)
      queue.push(target)
    }
  }
  return [...reached]
}

/** Returns the packages, those that reach most packages first. Each package is therefore before its imports. */
function rowsOf(tree: Tree): readonly Row[] {
  const graph = readGraph(tree)
  const packages = [...packagesOf(tree).values()].filter(({ folder }) => folder.startsWith('packages/'))
  const rows = packages.map((own) => rowOf(tree, graph, packages, own))
  const reach = new Map(rows.map(({ name }) => [name, reachedFrom(name, rows).length]))
  const before = (one: Row, other: Row) => (reach.get(other.name) ?? 0) - (reach.get(one.name) ?? 0)
  return rows.toSorted((one, other) => before(one, other) || (one.name < other.name ? -1 : 1))
}

function rowOf(tree: Tree, graph: Graph, packages: readonly Package[], own: Package): Row {
  const files = [...graph.edges].filter(([path]) => path.startsWith(`${own.folder}/src/`))
  const edges = files.flatMap(([, targets]) => targets)
  const loaded = edges.filter(({ kind }) => kind !== 'type')
  const ours = namesOf(packages, own, loaded)
  const types = namesOf(packages, own, edges)
  const manifest = JSON.parse(tree.get(`${own.folder}/package.json`) ?? '{}') as Readonly<Record<string, object>>
  const dependencies = Object.keys({ ...manifest['dependencies'], ...manifest['optionalDependencies'] })
  return {
    name: shortName(own),
    ours,
    types: new Map([...types].filter(([name]) => !ours.has(name))),
    others: dependencies.filter((name) => !name.startsWith('@puppy/')).toSorted(),
  }
}

/** Returns the other packages that these edges import, by name, each with its subpaths. An empty list means the whole package. */
function namesOf(packages: readonly Package[], own: Package, edges: readonly Edge[]): Row['ours'] {
  const found = new Map<string, Set<string>>()
  for (const { target } of edges) {
    const owner = packages.find(({ folder }) => target.startsWith(`${folder}/`))
    if (owner === undefined || owner.name === own.name) continue
    const subpaths = found.get(shortName(owner)) ?? new Set()
    found.set(shortName(owner), subpaths.add(subpathOf(owner, target)))
  }
  const sorted = [...found].toSorted(([one], [other]) => (one < other ? -1 : 1))
  return new Map(sorted.map(([name, subpaths]) => [name, subpaths.has('') ? [] : [...subpaths].toSorted()]))
}

/** Returns the subpath that exports a file, for example `store/*`. Empty for the package itself. */
function subpathOf({ folder, exports }: Package, path: string): string {
  const fits = (target: string) => {
    const [before = '', after] = `${folder}/${target.replace('./', '')}`.split('*')
    return after === undefined ? before === path : path.startsWith(before) && path.endsWith(after)
  }
  const [subpath = '.'] = Object.entries(exports).find(([, target]) => fits(target)) ?? []
  return subpath.replace(/^\.\/?/, '')
}

function shortName({ name }: Package): string {
  return name.replace('@puppy/', '')
}
