import { posix } from 'node:path'
import type { Tree } from './tree.ts'

/** The packages of this project that each package may import. A facility never imports another facility. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  host: [],
  accounts: ['host'],
  haproxy: ['host'],
  firewall: ['host'],
  cgroups: ['host'],
  quota: ['host'],
  selinux: ['host'],
  state: ['host', 'accounts', 'cgroups'],
  agent: ['host', 'accounts', 'haproxy', 'firewall', 'cgroups', 'quota', 'selinux', 'state'],
  api: ['host', 'accounts', 'cgroups', 'state'],
  puppy: ['host', 'accounts', 'haproxy', 'firewall', 'quota', 'selinux', 'state', 'agent', 'api'],
}

/** The files that may touch processes and files of the machine without `host`, and why. */
const exempt: readonly (readonly [RegExp, string])[] = [
  [/^packages\/host\//, 'it is the package that the other packages use'],
  [
    /^packages\/(state\/src\/database\/migrate|api\/src\/plugins\/openapi)\.ts$/,
    'they read files of this project before they drop root',
  ],
  [/^packages\/puppy\/src\/commands\/supervise\.ts$/, 'it renames its own log'],
  [/^packages\/puppy\/src\/commands\/part\.ts$/, 'it talks to a part of its own process tree'],
  [
    /^packages\/cgroups\/src\/cgroupfs\/cgroupfs\.ts$/,
    'it writes files of the kernel, which need no atomic replacement and no fsync',
  ],
]

/** Checks which packages and which modules of Node each file imports. Pure. */
export function checkImports(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    const [, own] = /^packages\/([^/]+)\/src\//.exec(path) ?? []
    return own === undefined ? [] : specifiers(text).flatMap((specifier) => faultOf(path, own, specifier))
  })
}

/** Returns the specifiers of the imports and re-exports of a module. Pure. */
export function specifiers(text: string): readonly string[] {
  return [...text.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)].map(
    ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '',
  )
}

function faultOf(path: string, own: string, specifier: string): readonly string[] {
  const other = /^@puppy\/([^/]+)/.exec(specifier)?.[1]
  if (other !== undefined) {
    if (allowed[own]?.includes(other) === true) return []
    return [`${path} imports @puppy/${other}: ${own} may import only ${allowed[own]?.join(', ') || 'npm packages'}`]
  }
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier)
    return target.startsWith(`packages/${own}/src/`)
      ? []
      : [`${path} imports ${target}, a file of another package: import the package`]
  }
  const machine = /^node:(child_process|fs|fs\/promises)$/.test(specifier)
  if (!machine || exempt.some(([pattern]) => pattern.test(path))) return []
  return [`${path} imports ${specifier}: only @puppy/host may touch the machine`]
}
