import type { FastifyInstance } from 'fastify'
import { StartError } from '@puppy/state'
import { errno } from '@puppy/host/errors'

/** Listens on an address and returns the URL. @throws StartError with the reason in one line. */
export async function listen(
  app: FastifyInstance,
  at: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return await app.listen(at)
  } catch (error) {
    const shown = `${at.host}:${at.port}`
    const reasons: Record<string, string> = {
      EADDRINUSE: `Cannot listen on ${shown}: another program listens there; stop that program or set PUPPY_LISTEN`,
      EACCES: `Cannot listen on ${shown}: only root can open ports below 1024, and the API is not root; set PUPPY_LISTEN`,
      EADDRNOTAVAIL: `Cannot listen on ${shown}: this machine does not have that address; set PUPPY_LISTEN`,
    }
    throw new StartError(
      reasons[errno(error) ?? ''] ?? `Cannot listen on ${shown}: ${error instanceof Error ? error.message : ''}`,
    )
  }
}
