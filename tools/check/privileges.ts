import { circlesIn, closureOf, readGraph, wayTo, type Graph } from './graph.ts'
import type { Tree } from './tree.ts'

/** Packages that change a machine through one facility of Linux. */
const facilities = /^packages\/(accounts|cgroups|firewall|haproxy|quota|selinux)\//

/** Entries of packages with effects that have none themselves: what they reach may be loaded by every process. */
const pure = [
  'packages/accounts/src/keys.ts',
  'packages/accounts/src/passwd.ts',
  'packages/accounts/src/slots.ts',
  'packages/host/src/errors.ts',
  'packages/selinux/src/cil/index.ts',
  'packages/selinux/src/context.ts',
  'packages/selinux/src/denials/index.ts',
  'packages/selinux/src/level.ts',
]

/** Modules of Node that compute and touch nothing. */
const computing = /^node:(buffer|crypto|path|url|util)$/

/** What a set of files must not hold. */
interface Ban {
  /** In words, after "holds no". */
  readonly what: string
  readonly pattern: RegExp
}

const framework: Ban = {
  what: 'web framework (fastify*, @fastify/*, swagger*) and no file of the api',
  pattern: /^(fastify|@fastify\/|swagger|packages\/api\/)/,
}
const facility: Ban = { what: 'file of a facility but pure ones', pattern: facilities }
const agent: Ban = { what: 'file of the agent', pattern: /^packages\/agent\// }
const program: Ban = {
  what: 'way to start a program (node:child_process, execa, @puppy/host)',
  pattern: /^(node:(child_process|cluster|worker_threads|vm|module)|execa|packages\/host\/.*)$/,
}
const test: Ban = { what: 'test support', pattern: /^packages\/[^/]+\/(test|examples)\/|^(tap|fast-check)$/ }
const effect: Ban = { what: 'effect', pattern: /^(?!packages\/)(?!node:(buffer|crypto|path|url|util)$)/ }

interface Proof {
  readonly name: string
  /** What is loaded at the start: everything that these reach. */
  readonly entries: (tree: Tree) => readonly string[]
  /** Files of which only what loads with them counts: their dynamic imports are other processes' entries. */
  readonly shell?: readonly string[]
  readonly holdsNo: readonly Ban[]
}

const cli = 'packages/puppy/src/cli.ts'

const proofs: readonly Proof[] = [
  { name: '@puppy/agent', entries: () => ['packages/agent/src/index.ts'], holdsNo: [framework, test] },
  {
    name: 'puppy agent',
    entries: () => ['packages/puppy/src/commands/agent.ts'],
    shell: [cli],
    holdsNo: [framework, test],
  },
  { name: '@puppy/api', entries: () => ['packages/api/src/index.ts'], holdsNo: [program, facility, agent, test] },
  {
    name: 'puppy api',
    entries: () => ['packages/puppy/src/commands/api.ts'],
    shell: [cli],
    holdsNo: [facility, agent, test],
  },
  { name: '@puppy/state', entries: stateEntries, holdsNo: [program, facility, agent, test] },
  { name: 'the pure subpaths', entries: () => pure, holdsNo: [effect] },
]

/** All that `@puppy/state` offers but `./embedded`, which starts a server, and `./testing`. */
function stateEntries(tree: Tree): readonly string[] {
  const offered = /^packages\/state\/src\/(index|processes|store\/[^/]+)\.ts$/
  return [...tree.keys()].filter((path) => offered.test(path))
}

/** Circles that are known. Only ever remove one: a new circle is a fault, and so is one that stands here and is gone. */
const knownCircles: readonly (readonly string[])[] = [
  ['context', 'host', 'lock', 'run'].map((name) => `packages/host/src/${name}.ts`),
  ['booleans', 'observe', 'plan'].map((name) => `packages/selinux/src/store/${name}.ts`),
]

export interface Findings {
  readonly faults: readonly string[]
  /** One line for each proof that holds. */
  readonly proven: readonly string[]
}

/** Proves from the imports what each process loads and does not load, and that no files of a package import each other. */
export function checkPrivileges(tree: Tree): Findings {
  const graph = readGraph(tree)
  const found = proofs.map((proof) => prove(tree, graph, proof))
  const circles = checkCircles(graph)
  return {
    faults: [...graph.faults, ...found.flatMap(({ faults }) => faults), ...circles.faults],
    proven: [...found.flatMap(({ proven }) => proven), ...circles.proven],
  }
}

function prove(tree: Tree, graph: Graph, { name, entries, shell = [], holdsNo }: Proof): Findings {
  const roots = entries(tree)
  const absent = [...roots, ...shell].filter((path) => !tree.has(path))
  if (absent.length > 0 || roots.length === 0)
    return { faults: [`${name}: there is no ${absent.join(', ') || 'entry'} to begin with`], proven: [] }
  const files = new Set([...closureOf(graph, shell, { later: false }), ...closureOf(graph, roots)])
  const allowed = closureOf(graph, pure)
  const faults = holdsNo.flatMap(({ what, pattern }) =>
    [...files]
      .filter((path) => pattern.test(path) && !allowed.has(path))
      .map((path) => `${name} must hold no ${what}: ${way(graph, roots, shell, path)}`),
  )
  if (faults.length > 0) return { faults, proven: [] }
  const ours = [...files].filter((path) => tree.has(path))
  const line = `${name}: ${ours.length} files hold no ${holdsNo.map(({ what }) => what).join(', no ')}`
  return { faults: [], proven: [line] }
}

function way(graph: Graph, roots: readonly string[], shell: readonly string[], path: string): string {
  if (closureOf(graph, roots).has(path)) return wayTo(graph, roots, path)
  return wayTo(graph, shell, path, { later: false })
}

function checkCircles(graph: Graph): Findings {
  const found = circlesIn(graph).map((circle) => circle.join(', '))
  const known = knownCircles.map((circle) => circle.join(', '))
  const faults = [
    ...found.filter((circle) => !known.includes(circle)).map((circle) => `These import each other: ${circle}`),
    ...known
      .filter((circle) => !found.includes(circle))
      .map((circle) => `tools/check/privileges.ts lists a circle that is no more: ${circle}`),
  ]
  if (faults.length > 0) return { faults, proven: [] }
  const left = known.length === 0 ? '' : ` but ${known.length} known circles`
  return { faults: [], proven: [`${graph.edges.size} files: no circular imports${left}`] }
}
