import { copyContext, type EffectOptions, type Host } from '@puppy/host'

/**
 * Returns passwd(5) without the lines of some users. Pure.
 *
 * @param hidden names of users
 */
export function withoutUsers(passwd: string, hidden: ReadonlySet<string>): string {
  return passwd
    .split('\n')
    .filter((line) => !hidden.has(line.slice(0, Math.max(0, line.indexOf(':')))))
    .join('\n')
}

/**
 * Writes another passwd(5) for a transaction, without some users.
 *
 * For every login in the policy whose user exists, each transaction writes 170 lines of file contexts, and each restorecon(8) reads them all.
 * Homes of tenants have the same types as all homes, and their levels are not among these lines.
 *
 * @param folder a folder of ours, for the file
 * @returns its path; undefined when no such user exists, and on a host that is only a folder.
 * @see genhomedircon(8)
 */
export async function writePasswd(
  host: Host,
  { users, folder }: { readonly users: ReadonlySet<string>; readonly folder: string },
  options: EffectOptions = {},
): Promise<string | undefined> {
  if (users.size === 0 || !host.live) return undefined
  const passwd = (await host.read('/etc/passwd')) ?? ''
  const shown = withoutUsers(passwd, users)
  if (shown === passwd) return undefined
  const path = `${folder}/passwd`
  await host.replace(path, shown, { mode: 0o644 })
  await copyContext(host, '/etc/passwd', [path], options)
  return path
}
