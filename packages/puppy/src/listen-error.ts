import { parsePasswd } from '@puppy/accounts/passwd'
import { errno, printable, type Host } from '@puppy/host'
import { findHolders, readListeners } from '@puppy/host/proc'
import { StartError } from '@puppy/state'

/** Where the API listens. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** How long a start waits for a port that another program uses, in milliseconds. */
export const portPatience = 10_000

/** Returns the error for an address on which the API cannot listen, in one line. Names the program that uses the port. */
export async function listenError(machine: Host, at: ListenAddress, error: unknown): Promise<StartError> {
  const shown = `${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`
  const code = errno(error)
  if (code === 'EADDRINUSE') {
    const holder = await describeHolder(machine, at.port)
    const who = holder === undefined ? '' : `: ${holder}`
    return new StartError(
      `Cannot listen on ${shown}: another program listens there${who}; stop that program or set PUPPY_LISTEN`,
    )
  }
  const reasons: Record<string, string> = {
    EACCES: 'only root can open ports below 1024, and the API is not root; set PUPPY_LISTEN',
    EADDRNOTAVAIL: 'this machine does not have that address; set PUPPY_LISTEN',
    ENOTFOUND: 'this name has no address; set PUPPY_LISTEN',
  }
  return new StartError(
    `Cannot listen on ${shown}: ${reasons[code ?? ''] ?? (error instanceof Error ? error.message : String(error))}`,
  )
}

/** Returns who listens on a port: `process 4242 (nc) of the user anna (uid 1000)`. Undefined when no program does. Without root, only the user. */
async function describeHolder(machine: Host, port: number): Promise<string | undefined> {
  const found = (await readListeners(machine)).find((listener) => listener.port === port)
  if (found === undefined) return undefined
  const holders = await findHolders(machine, [found])
  const user = parsePasswd((await machine.read('/etc/passwd')) ?? '').find(({ uid }) => uid === found.uid)
  const name = user === undefined ? `uid ${found.uid}` : `the user ${printable(user.name)} (uid ${found.uid})`
  const [first] = holders.get(found.inode) ?? []
  return first === undefined ? `a process of ${name}` : `process ${first.pid} (${printable(first.name)}) of ${name}`
}
