import type { FastifyInstance } from 'fastify'
import { StartError } from '@puppy/state'
import { errno } from '@puppy/host/errors'

/** Listens, and says in one line why it cannot. */
export async function listen(
  app: FastifyInstance,
  at: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return await app.listen(at)
  } catch (error) {
    const shown = `${at.host}:${at.port}`
    const reasons: Record<string, string> = {
      EADDRINUSE: `Cannot listen on ${shown}: another program does; end it or set PUPPY_LISTEN`,
      EACCES: `Cannot listen on ${shown}: ports below 1024 are for root, and the API runs without it; set PUPPY_LISTEN`,
      EADDRNOTAVAIL: `Cannot listen on ${shown}: this machine has no such address; set PUPPY_LISTEN`,
    }
    throw new StartError(
      reasons[errno(error) ?? ''] ?? `Cannot listen on ${shown}: ${error instanceof Error ? error.message : ''}`,
    )
  }
}
