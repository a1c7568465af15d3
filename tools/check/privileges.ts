import { circlesIn, closureOf, exportsOf, packagesOf, readGraph, wayTo, type Graph } from './graph.ts'
import type { Tree } from './tree.ts'

/** Entries of packages with effects that have none themselves: what they reach may be loaded by every process. */
const pure = [
  'packages/accounts/src/keys.ts',
  'packages/accounts/src/passwd.ts',
  'packages/accounts/src/slots.ts',
  'packages/cgroups/src/limits.ts',
  'packages/host/src/errors.ts',
  'packages/selinux/src/cil/index.ts',
  'packages/selinux/src/context.ts',
  'packages/selinux/src/denials/index.ts',
  'packages/selinux/src/level.ts',
]

/** What a set of files must not hold. */
interface Ban {
  /** In words, after "holds no". */
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
  what: 'file of a facility but pure ones',
  pattern: /^packages\/(accounts|cgroups|firewall|haproxy|quota|selinux)\//,
}
const program: Ban = {
  what: 'way to start a program (node:child_process, execa, @puppy/host)',
  pattern: /^(node:(child_process|cluster|worker_threads|module|vm)|execa|packages\/host\/.*)$/,
}
const effect: Ban = {
  what: 'module but those of Node that only compute',
  pattern: /^(?!packages\/|node:(buffer|crypto|path|url|util)$)/,
}
/** `@puppy/state/schema` makes the same schemas. Its types alone are not loaded. */
const typebox: Ban = { what: 'typebox, which takes memory for seven hundred files', pattern: /^typebox/ }
const support: Ban = {
  what: 'test support',
  pattern: /^(packages\/[^/]+|testbed)\/(test|examples)\/|^(tap|fast-check)$/,
}

/** What a process that lives long and does little must not keep. `node:crypto` is 2 MB of memory, `node:http` 10, a package more. */
const heavy: Ban = {
  what: 'package, no whole host and no large module of Node',
  pattern:
    /^(?!packages\/|node:)|^node:(crypto|https?|module)$|^packages\/(host\/src\/(index|create-host)|state\/src\/index|puppy\/src\/config)\.ts$/,
}

interface Proof {
  readonly name: string
  /** Where loading begins. */
  readonly entries: (tree: Tree) => readonly string[]
  /** Loaded at the start too, but without their dynamic imports: those are the entries of other processes. */
  readonly shell?: readonly string[]
  readonly holdsNo: readonly Ban[]
}

const cli = 'packages/puppy/src/cli.ts'
/** Every command but `up` loads it, and does so before its own file. */
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
    name: 'puppy up, which runs no program to its end',
    entries: () => [],
    shell: [cli, 'packages/puppy/src/commands/up.ts'],
    holdsNo: [framework, api, facility, agent, heavy],
  },
  {
    name: '@puppy/state but ./embedded and ./server',
    entries: (tree) => exportsOf(tree, '@puppy/state', ['./embedded', './server', './testing']),
    holdsNo: [program, facility, agent],
  },
  { name: 'pure subpaths', entries: () => pure, holdsNo: [effect] },
  {
    name: 'every package but ./testing',
    entries: (tree) => [...packagesOf(tree).keys()].flatMap((name) => exportsOf(tree, name, ['./testing'])),
    holdsNo: [support],
  },
]

export interface Findings {
  readonly faults: readonly string[]
  /** One line for each proof that holds. */
  readonly proven: readonly string[]
}

/** Proves from the imports what each process loads and does not load, and that no files of a package import each other. */
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
      .map((target) => `${name} must hold no ${what}: ${wayOf(graph, roots, shell, target)}`),
  )
  if (faults.length > 0) return { faults, proven: [] }
  const ours = [...reached].filter((target) => tree.has(target))
  return {
    faults: [],
    proven: [`${name}: ${ours.length} files hold no ${holdsNo.map(({ what }) => what).join(', no ')}`],
  }
}

function wayOf(graph: Graph, roots: readonly string[], shell: readonly string[], target: string): string {
  if (closureOf(graph, roots).has(target)) return wayTo(graph, roots, target)
  return wayTo(graph, shell, target, { later: false })
}

function checkCircles(graph: Graph): Findings {
  const faults = circlesIn(graph).map((circle) => `These import each other: ${circle.join(', ')}`)
  return { faults, proven: faults.length > 0 ? [] : [`${graph.edges.size} files hold no circle of imports`] }
}
