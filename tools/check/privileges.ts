import { circlesIn, closureOf, exportsOf, packagesOf, readGraph, wayTo, type Graph } from './graph.ts'
import type { Tree } from './tree.ts'

/** Pure entries of packages with effects. Every process may load the files that they reach. */
const pure = [
  'packages/accounts/src/keys.ts',
  'packages/accounts/src/passwd.ts',
  'packages/accounts/src/slots.ts',
  'packages/cgroups/src/limits.ts',
  'packages/haproxy/src/listen.ts',
  'packages/host/src/errors.ts',
  'packages/selinux/src/cil/index.ts',
  'packages/selinux/src/context.ts',
  'packages/selinux/src/denials/index.ts',
  'packages/selinux/src/level.ts',
]

/** What a set of files must not load. */
interface Ban {
  /** A phrase that follows "load no". */
  readonly what: string
  readonly pattern: RegExp
}

const framework: Ban = {
  what: 'web framework (fastify*, @fastify/*, swagger*)',
  pattern: /^(fastify|@fastify\/|swagger)/,
}
const api: Ban = { what: 'file of @puppy/api', pattern: /^packages\/api\// }
const agent: Ban = { what: 'file of @puppy/agent', pattern: /^packages\/agent\// }
const facility: Ban = {
  what: 'file of a facility except pure ones',
  pattern: /^packages\/(accounts|cgroups|firewall|haproxy|quota|selinux)\//,
}
const program: Ban = {
  what: 'module that can start a program (node:child_process, @puppy/host)',
  pattern: /^(node:(child_process|cluster|worker_threads|module|vm)|packages\/host\/.*)$/,
}
const effect: Ban = {
  what: 'module except those of Node that only compute',
  pattern: /^(?!packages\/|node:(buffer|crypto|path|url|util)$)/,
}
/** `@puppy/state/schema` makes the same schemas. Imports of its types load nothing. */
const typebox: Ban = { what: 'typebox (seven hundred files in memory)', pattern: /^typebox/ }
const support: Ban = {
  what: 'test support',
  pattern: /^(packages\/[^/]+|testbed)\/(test|examples)\/|^(tap|fast-check)$/,
}

/** What a process that runs long and does little must not load. `node:crypto` takes 2 MB of memory, `node:http` 10 MB, a package more. */
const heavy: Ban = {
  what: 'npm package, not the whole host, no large module of Node',
  pattern:
    /^(?!packages\/|node:)|^node:(crypto|https?|module)$|^packages\/(host\/src\/(index|create-host)|state\/src\/index|puppy\/src\/config)\.ts$/,
}

interface Proof {
  readonly name: string
  /** Returns the files where loading begins. */
  readonly entries: (tree: Tree) => readonly string[]
  /** Files that also load at the start, but without their dynamic imports, which are the entries of other processes. */
  readonly shell?: readonly string[]
  readonly holdsNo: readonly Ban[]
}

const cli = 'packages/puppy/src/cli.ts'
/** Every command except `up` loads this file, before its own file. */
const settings = 'packages/puppy/src/config.ts'

const proofs: readonly Proof[] = [
  { name: '@puppy/agent', entries: () => ['packages/agent/src/index.ts'], holdsNo: [framework, api] },
  {
    name: 'puppy agent',
    entries: () => ['packages/puppy/src/commands/agent.ts', settings],
    shell: [cli],
    holdsNo: [framework, api],
  },
  { name: '@puppy/api', entries: () => ['packages/api/src/index.ts'], holdsNo: [program, facility, agent, typebox] },
  {
    name: 'puppy api',
    entries: () => ['packages/puppy/src/commands/api.ts', settings],
    shell: [cli],
    holdsNo: [facility, agent],
  },
  {
    name: 'puppy start',
    entries: () => ['packages/puppy/src/commands/start.ts', settings],
    shell: [cli],
    holdsNo: [framework, api, facility, agent],
  },
  {
    name: 'puppy up, which does not wait for programs',
    entries: () => [],
    shell: [cli, 'packages/puppy/src/commands/up.ts'],
    holdsNo: [framework, api, facility, agent, heavy],
  },
  {
    name: '@puppy/state except ./embedded and ./server',
    entries: (tree) => exportsOf(tree, '@puppy/state', ['./embedded', './server', './testing']),
    holdsNo: [program, facility, agent],
  },
  { name: 'pure subpaths', entries: () => pure, holdsNo: [effect] },
  {
    name: 'every package except ./testing',
    entries: (tree) => [...packagesOf(tree).keys()].flatMap((name) => exportsOf(tree, name, ['./testing'])),
    holdsNo: [support],
  },
]

/** The result of `checkPrivileges`. */
export interface Findings {
  readonly faults: readonly string[]
  /** One line for each proof that holds. */
  readonly proven: readonly string[]
}

/** Checks by the imports what each process loads and does not load, and that no files import each other in a circle. Pure. */
export function checkPrivileges(tree: Tree): Findings {
  const graph = readGraph(tree)
  const found = [...proofs.map((proof) => prove(tree, graph, proof)), checkCircles(graph)]
  return {
    faults: [...graph.faults, ...found.flatMap(({ faults }) => faults)],
    proven: found.flatMap(({ proven }) => proven),
  }
}

function prove(tree: Tree, graph: Graph, { name, entries, shell = [], holdsNo }: Proof): Findings {
  const roots = entries(tree)
  const absent = [...roots, ...shell].filter((path) => !tree.has(path))
  if (roots.length + shell.length === 0 || absent.length > 0)
    return { faults: [`${name}: its entry ${absent.join(', ')} does not exist`], proven: [] }
  const reached = new Set([...closureOf(graph, shell, { later: false }), ...closureOf(graph, roots)])
  const allowed = closureOf(graph, pure)
  const faults = holdsNo.flatMap(({ what, pattern }) =>
    [...reached]
      .filter((target) => pattern.test(target) && !(tree.has(target) && allowed.has(target)))
      .map((target) => `${name} must load no ${what}: ${wayOf(graph, roots, shell, target)}`),
  )
  if (faults.length > 0) return { faults, proven: [] }
  const ours = [...reached].filter((target) => tree.has(target))
  return {
    faults: [],
    proven: [`${name}: ${ours.length} files load no ${holdsNo.map(({ what }) => what).join(', no ')}`],
  }
}

function wayOf(graph: Graph, roots: readonly string[], shell: readonly string[], target: string): string {
  if (closureOf(graph, roots).has(target)) return wayTo(graph, roots, target)
  return wayTo(graph, shell, target, { later: false })
}

function checkCircles(graph: Graph): Findings {
  const faults = circlesIn(graph).map((circle) => `These files import each other: ${circle.join(', ')}`)
  return { faults, proven: faults.length > 0 ? [] : [`${graph.edges.size} files have no circular imports`] }
}
