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
 * Writes a copy of passwd(5) without some users, for a transaction.
 *
 * For every login in the policy whose user exists, each transaction writes 170 lines of file contexts, and each restorecon(8) reads all
 * of them. Tenants do not need these lines: their homes have the same types as all homes, and the lines do not contain their levels.
 *
 * @param folder the working folder, for the file
 * @returns the path of the file; undefined when no such user exists, and on a host that is only a folder.
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
