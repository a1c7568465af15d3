import { join } from 'node:path'

/** The name of the embedded database. */
export const database = 'puppy'
/** Its roles, each with the rights of one process. */
export const roles = { owner: 'puppy', api: 'puppy_api', agent: 'puppy_agent' }

/** The connection URL of each role. */
export interface RoleUrls {
  readonly owner: string
  readonly api: string
  readonly agent: string
}

/** Returns the connection URL of each role. The folder of the socket is a parameter of the URL, because it contains slashes. */
export function embeddedUrls(options: { readonly runDir: string }): RoleUrls {
  const socket = encodeURIComponent(join(options.runDir, 'postgres'))
  const url = (role: string, name = database) => `postgres://${role}@/${name}?host=${socket}`
  return { owner: url(roles.owner), api: url(roles.api), agent: url(roles.agent) }
}
