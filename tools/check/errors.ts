import type { Tree } from './tree.ts'

/** Where each union of codes stands, and under which heading of docs/errors.md it is explained. */
const unions = [
  ['packages/host/src/errors.ts', 'HostErrorCode', '## @puppy/host'],
  ['packages/accounts/src/errors.ts', 'AccountErrorCode', '## @puppy/accounts'],
  ['packages/haproxy/src/errors.ts', 'HaproxyErrorCode', '## @puppy/haproxy'],
  ['packages/firewall/src/errors.ts', 'FirewallErrorCode', '## @puppy/firewall'],
  ['packages/cgroups/src/errors.ts', 'CgroupErrorCode', '## @puppy/cgroups'],
  ['packages/quota/src/errors.ts', 'QuotaErrorCode', '## @puppy/quota'],
  ['packages/selinux/src/errors.ts', 'SelinuxErrorCode', '## @puppy/selinux'],
  ['packages/api/src/errors.ts', 'ApiErrorCode', '## HTTP API'],
] as const

/** Every code has a row in docs/errors.md, and every row a code. */
export function checkErrors(tree: Tree): readonly string[] {
  const page = tree.get('docs/errors.md') ?? ''
  return unions.flatMap(([path, union, heading]) => {
    const codes = codesOf(tree.get(path) ?? '', union)
    const rows = rowsOf(page, heading)
    return [
      ...(codes.length === 0 ? [`${path} has no union ${union}`] : []),
      ...codes
        .filter((code) => !rows.includes(code))
        .map((code) => `docs/errors.md has no row for ${code} under "${heading}"`),
      ...rows
        .filter((row) => !codes.includes(row))
        .map((row) => `docs/errors.md explains ${row}, which is no ${union}`),
    ]
  })
}

function codesOf(source: string, union: string): readonly string[] {
  const [, body = ''] = new RegExp(`type ${union} =([\\s\\S]*?)\\n\\n`).exec(`${source}\n\n`) ?? []
  return [...body.matchAll(/'([A-Za-z_]+)'/g)].map(([, code = '']) => code)
}

function rowsOf(page: string, heading: string): readonly string[] {
  const from = page.indexOf(`\n${heading}`)
  if (from < 0) return []
  const section = page.slice(from + 1).split('\n## ')[0] ?? ''
  return [...section.matchAll(/^\| `([A-Za-z_]+)`/gm)].map(([, code = '']) => code)
}
