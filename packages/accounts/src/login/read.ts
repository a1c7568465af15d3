import type { Host } from '@puppy/host'
import type { Slot } from '../slots.ts'
import { readShadow } from '../users.ts'

/** The folder of this package's own files below `/etc`. */
export const ownFolder = '/etc/puppy'

/** One file of public keys for each user. sshd reads it as that user. */
export const keysFolder = '/etc/puppy/keys'

/** One file of variables for each user. */
export const environmentFolder = '/etc/puppy/env'

/** logind(8) starts a manager at boot for every user with a file here. */
export const lingerFolder = '/var/lib/systemd/linger'

/** What one user's login is on disk. */
export interface LoginState {
  /** The text of the file of keys. Absent when there is no such file, as with the variables. */
  readonly keys?: string
  readonly environment?: string
  readonly linger: boolean
  readonly expired: boolean
}

/** By user name. */
export type LoginObservation = ReadonlyMap<string, LoginState>

const maxBytes = 1024 * 1024

/**
 * Reads keys, variables, linger and expiry of these slots. Expiry is in `/etc/shadow`: a process that may not read it sees no user as
 * expired.
 * @throws HostError `HOST_READ_FAILED`.
 */
export async function readLogins(host: Host, slots: readonly Slot[]): Promise<LoginObservation> {
  const lingering = new Set(await host.list(lingerFolder))
  const shadow = (await readShadow(host)) ?? []
  const expired = new Set(shadow.filter(({ expire }) => expire !== undefined).map(({ name }) => name))
  const states = slots.map(async ({ user }): Promise<readonly [string, LoginState]> => {
    const [keys, environment] = await Promise.all([
      host.read(`${keysFolder}/${user}`, { maxBytes }),
      host.read(`${environmentFolder}/${user}`, { maxBytes }),
    ])
    return [
      user,
      {
        ...(keys === undefined ? {} : { keys }),
        ...(environment === undefined ? {} : { environment }),
        linger: lingering.has(user),
        expired: expired.has(user),
      },
    ]
  })
  return new Map(await Promise.all(states))
}
