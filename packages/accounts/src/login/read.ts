import { HostError, type FileStatus, type Host } from '@puppy/host'
import type { Slot } from '../slots.ts'
import { readShadow } from '../users.ts'

/** The folder of this package in `/etc`. */
export const ownFolder = '/etc/puppy'

/** Contains one file with public keys for each user. sshd reads it as that user. */
export const keysFolder = '/etc/puppy/keys'

/** Contains one file with variables for each user. */
export const environmentFolder = '/etc/puppy/env'

/** The files belong to root and the group of their slot: sshd and the shell read them as the tenant, and no other tenant may. */
export const loginFileMode = 0o640

/**
 * Contains one file for each slot that was scrubbed and not proved clean, with the id of that boot. A restart closes all files and ends all
 * processes, so after it the search of names is a proof.
 */
export const releasedFolder = '/etc/puppy/released'

/** The mode of the folders of this package: tenants pass through and do not see the names of others. */
export const loginFolderMode = 0o711

/** logind(8) starts a user manager at boot for every user with a file in this folder. */
export const lingerFolder = '/var/lib/systemd/linger'

/** The observed login of one user. */
export interface LoginState {
  /**
   * The text of the keys file. Absent when the file does not exist. Empty when it cannot be read or is larger than a file of a login: the
   * next `apply` replaces or removes it. The same applies to `environment`.
   */
  readonly keys?: string
  readonly environment?: string
  /** Present when a file does not belong to root and the group of the slot with mode 0640, so that other tenants may read it. */
  readonly exposed?: true
  readonly linger: boolean
  readonly expired: boolean
}

/** Login states by user name. */
export type LoginObservation = ReadonlyMap<string, LoginState>

const maxBytes = 1024 * 1024

/**
 * Reads keys, variables, linger and expiry of these slots. Expiry is in `/etc/shadow`: without permission to read it, no user appears as
 * expired. A file of one user that cannot be read does not affect the other users.
 *
 * @throws HostError `HOST_READ_FAILED` when the linger folder or `/etc/shadow` cannot be read.
 */
export async function readLogins(host: Host, slots: readonly Slot[]): Promise<LoginObservation> {
  const lingering = new Set(await host.list(lingerFolder))
  const shadow = (await readShadow(host)) ?? []
  const expired = new Set(shadow.filter(({ expire }) => expire !== undefined).map(({ name }) => name))
  const states = slots.map(async ({ user, gid }): Promise<readonly [string, LoginState]> => {
    const [keys, environment] = await Promise.all([
      readOwn(host, `${keysFolder}/${user}`),
      readOwn(host, `${environmentFolder}/${user}`),
    ])
    const files = await Promise.all([keysFolder, environmentFolder].map((folder) => host.status(`${folder}/${user}`)))
    const isPrivate = (file: FileStatus) => file.uid === 0 && file.gid === gid && file.mode === loginFileMode
    const exposed = files.some((file) => file !== undefined && !isPrivate(file))
    return [
      user,
      {
        ...(keys === undefined ? {} : { keys }),
        ...(environment === undefined ? {} : { environment }),
        ...(exposed ? { exposed } : {}),
        linger: lingering.has(user),
        expired: expired.has(user),
      },
    ]
  })
  return new Map(await Promise.all(states))
}

/** The files are our own, so the state of one that cannot be read is only that it must be written again. */
async function readOwn(host: Host, path: string): Promise<string | undefined> {
  try {
    return await host.read(path, { maxBytes })
  } catch (error) {
    if (error instanceof HostError) return ''
    throw error
  }
}
