import { posix } from 'node:path'
import type { Tree } from './tree.ts'

/** Which packages of ours each may import. A facility never imports another. */
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

/** Who may touch processes and files of the machine without `host`, and why. */
const exempt: readonly (readonly [RegExp, string])[] = [
  [/^packages\/host\//, 'it is what the others use'],
  [
    /^packages\/(state\/src\/database\/migrate|api\/src\/plugins\/openapi)\.ts$/,
    'they read our own files, before root is dropped',
  ],
  [/^packages\/puppy\/src\/commands\/supervise\.ts$/, 'it renames our own log'],
  [/^packages\/puppy\/src\/commands\/part\.ts$/, 'it speaks with a part of itself'],
  [
    /^packages\/cgroups\/src\/cgroupfs\/cgroupfs\.ts$/,
    'files of the kernel, which no rename replaces and no disk is behind',
  ],
]

export function checkImports(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    const [, own] = /^packages\/([^/]+)\/src\//.exec(path) ?? []
    return own === undefined ? [] : specifiers(text).flatMap((specifier) => faultOf(path, own, specifier))
  })
}

export function specifiers(text: string): readonly string[] {
  return [...text.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm)].map(
    ([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '',
  )
}

function faultOf(path: string, own: string, specifier: string): readonly string[] {
  const other = /^@puppy\/([^/]+)/.exec(specifier)?.[1]
  if (other !== undefined) {
    if (allowed[own]?.includes(other) === true) return []
    return [`${path} imports @puppy/${other}: ${own} may import ${allowed[own]?.join(', ') || 'nothing of ours'}`]
  }
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier)
    return target.startsWith(`packages/${own}/src/`) ? [] : [`${path} reaches into ${target}`]
  }
  const machine = /^node:(child_process|fs|fs\/promises)$/.test(specifier)
  if (!machine || exempt.some(([pattern]) => pattern.test(path))) return []
  return [`${path} imports ${specifier}: only @puppy/host touches the machine`]
}
