import { packagesOf, readGraph, type Edge, type Graph, type Package } from './graph.ts'
import type { Tree } from './tree.ts'

/** The page that holds the picture. */
export const page = 'ARCHITECTURE.md'
const begin = '<!-- Made from the code by `node tools/picture.ts`: begin -->'
const end = '<!-- end -->'

/** What one package imports. A package of ours is named by its subpaths where it is not loaded as a whole. */
interface Row {
  readonly name: string
  /** Of each package of ours: its subpaths, or none for the whole. */
  readonly ours: ReadonlyMap<string, readonly string[]>
  readonly types: ReadonlyMap<string, readonly string[]>
  /** Packages of others that it depends on. */
  readonly others: readonly string[]
}

/** Returns a fault unless the page shows the imports that the code has. */
export function checkPicture(tree: Tree): readonly string[] {
  const text = tree.get(page) ?? ''
  const at = text.indexOf(begin)
  if (at < 0 || !text.includes(end, at))
    return [`${page} has no place for the picture of the packages: ${begin} and ${end}`]
  return drawPicture(tree) === text
    ? []
    : [`${page} does not show the imports that the code has: run node tools/picture.ts`]
}

/** Returns the page with the picture of the packages and their imports, made from the code. */
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
  const heads = ['package', 'loads of ours', 'takes only types of', 'loads of others']
  const table = [heads, heads.map(() => '---'), ...cells]
  return [
    '```mermaid',
    'graph TD',
    ...rows.flatMap((row) => arrowsOf(row, rows)),
    '```',
    '',
    'An arrow is left out where others lead there too. All of them:',
    '',
    ...table.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n')
}

/** `accounts/keys`, or `accounts` for the whole. */
function wordsOf(imports: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return [...imports].flatMap(([name, subpaths]) =>
    subpaths.length === 0 ? [name] : subpaths.map((subpath) => `${name}/${subpath}`),
  )
}

/** A whole package is loaded by a plain arrow; by a dotted one only the subpaths that it names. */
function arrowsOf({ name, ours }: Row, rows: readonly Row[]): readonly string[] {
  const implied = new Set([...ours.keys()].flatMap((target) => reachedFrom(target, rows)))
  return [...ours]
    .filter(([target]) => !implied.has(target))
    .map(([target, subpaths]) =>
      subpaths.length === 0 ? `  ${name} --> ${target}` : `  ${name} -. "${subpaths.join(', ')}" .-> ${target}`,
    )
}

/** All that a package leads to. Packages that lead to each other are a fault that another rule reports. */
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

/** The packages: those that lead to the most come first, so each before those that it imports. */
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

/** The other packages that these imports lead to, by name, each with its subpaths or none for the whole. */
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

/** The subpath that a file is exported as, `store/*` for one of many; empty for the package itself. */
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
