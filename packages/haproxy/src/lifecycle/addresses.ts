import { connect, createServer } from 'node:net'
import { errno } from '@puppy/host'
import { parseListen } from '../listen.ts'

/**
 * Returns the addresses that another process listens on. Tries to listen on each for a moment.
 *
 * Leaves out an address that the caller may not bind, and a text that is no address. Do not use it for an address of our own: HAProxy
 * could try to bind it at the same moment.
 */
export async function findBusy(addresses: readonly string[]): Promise<readonly string[]> {
  const busy: string[] = []
  for (const address of addresses) if (await isBusy(address)) busy.push(address)
  return busy
}

function isBusy(text: string): Promise<boolean> {
  const parsed = parseListen(text)
  if (parsed === undefined) return Promise.resolve(false)
  const { address, port } = parsed
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(errno(error) === 'EADDRINUSE'))
    server.listen({ port, exclusive: true, ...(address === undefined ? {} : { host: address }) }, () =>
      server.close(() => resolve(false)),
    )
  })
}

/** Returns the addresses on which no process answers. Connects to each. Leaves out a text that is no address. */
export async function findSilent(addresses: readonly string[]): Promise<readonly string[]> {
  const silent: string[] = []
  for (const address of addresses) if (await isSilent(address)) silent.push(address)
  return silent
}

function isSilent(text: string): Promise<boolean> {
  const parsed = parseListen(text)
  if (parsed === undefined) return Promise.resolve(false)
  const { address = '127.0.0.1', port } = parsed
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 })
    const answer = (silent: boolean) => {
      socket.destroy()
      resolve(silent)
    }
    socket.once('connect', () => answer(false))
    socket.once('timeout', () => answer(true))
    socket.once('error', () => answer(true))
  })
}
