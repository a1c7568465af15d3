import type { Tree } from './tree.ts'

/** The file of each union of codes, and the heading of docs/errors.md under which it is explained. */
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

/** The parts of the section of a code. */
const parts = ['Meaning', 'Cause', 'What to do', 'Example']

/** Checks that every code has one section in docs/errors.md with all parts, and that every section has a code. Pure. */
export function checkErrors(tree: Tree): readonly string[] {
  const page = tree.get('docs/errors.md') ?? ''
  return unions.flatMap(([path, union, heading]) => {
    const codes = codesOf(tree.get(path) ?? '', union)
    const sections = sectionsOf(page, heading)
    const explained = sections.map(({ code }) => code)
    return [
      ...(codes.length === 0 ? [`${path} has no union ${union}`] : []),
      ...codes
        .filter((code) => !explained.includes(code))
        .map((code) => `docs/errors.md has no section for ${code} under "${heading}"`),
      ...explained
        .filter((code) => !codes.includes(code))
        .map((code) => `docs/errors.md explains ${code}, which is not in ${union}`),
      ...explained
        .filter((code, index) => explained.indexOf(code) !== index)
        .map((code) => `docs/errors.md explains ${code} twice`),
      ...sections.flatMap(({ code, text }) =>
        parts
          .filter((part) => !text.includes(`\n- **${part}:** `))
          .map((part) => `docs/errors.md has no "${part}" for ${code}`),
      ),
    ]
  })
}

function codesOf(source: string, union: string): readonly string[] {
  const [, body = ''] = new RegExp(`type ${union} =([\\s\\S]*?)\\n\\n`).exec(`${source}\n\n`) ?? []
  return [...body.matchAll(/'([A-Za-z_]+)'/g)].map(([, code = '']) => code)
}

/** Returns the sections of the codes below a heading. Each code has its own heading, so that a link can point to it. */
function sectionsOf(page: string, heading: string): readonly { readonly code: string; readonly text: string }[] {
  const from = page.indexOf(`\n${heading}`)
  if (from < 0) return []
  const chapter = page.slice(from + 1).split('\n## ')[0] ?? ''
  return chapter.split('\n### ').flatMap((text) => {
    const [, code] = /^([A-Za-z_]+)\n/.exec(text) ?? []
    return code === undefined ? [] : [{ code, text }]
  })
}
