import { connect, createServer } from 'node:net'
import { errno } from '@puppy/host'
import { parseListen } from './listen.ts'

/**
 * Tells which of these addresses somebody listens on, by trying to for a moment.
 *
 * An address that we may not bind, or that is none, is not in the answer. Not for an address of our own: HAProxy could
 * want it in that moment.
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
  return new Promise((settle) => {
    const server = createServer()
    server.once('error', (error) => settle(errno(error) === 'EADDRINUSE'))
    server.listen({ port, exclusive: true, ...(address === undefined ? {} : { host: address }) }, () =>
      server.close(() => settle(false)),
    )
  })
}

/** Tells which of these addresses nobody answers on, by connecting to each. One that is none is not in the answer. */
export async function findSilent(addresses: readonly string[]): Promise<readonly string[]> {
  const silent: string[] = []
  for (const address of addresses) if (await isSilent(address)) silent.push(address)
  return silent
}

function isSilent(text: string): Promise<boolean> {
  const parsed = parseListen(text)
  if (parsed === undefined) return Promise.resolve(false)
  const { address = '127.0.0.1', port } = parsed
  return new Promise((settle) => {
    const socket = connect({ host: address, port, timeout: 1000 })
    const answer = (silent: boolean) => {
      socket.destroy()
      settle(silent)
    }
    socket.once('connect', () => answer(false))
    socket.once('timeout', () => answer(true))
    socket.once('error', () => answer(true))
  })
}
