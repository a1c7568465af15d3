import { join } from 'node:path'

/** The name of the embedded database. */
export const database = 'puppy'
/** Its roles, each with the rights of one process. */
export const roles = { owner: 'puppy', api: 'puppy_api', agent: 'puppy_agent' }

/** Where each role connects. */
export interface RoleUrls {
  readonly owner: string
  readonly api: string
  readonly agent: string
}

/** Where each role connects. The socket's folder goes into the URL as a parameter, because it holds slashes. */
export function embeddedUrls(options: { readonly runDir: string }): RoleUrls {
  const socket = encodeURIComponent(join(options.runDir, 'postgres'))
  const url = (role: string, name = database) => `postgres://${role}@/${name}?host=${socket}`
  return { owner: url(roles.owner), api: url(roles.api), agent: url(roles.agent) }
}
