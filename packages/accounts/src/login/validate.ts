import { runOptions, type EffectOptions, type Host } from '@puppy/host'
import { AccountError } from '../errors.ts'
import { findProgram } from '../program.ts'
import { keyInvalid, parseKey, type AuthorizedKey } from './key.ts'

/** Whether one key can be used. */
export type KeyVerdict =
  | { readonly valid: true; readonly type: AuthorizedKey['type']; readonly bits: number; readonly fingerprint: string }
  | { readonly valid: false; readonly error: AccountError }

/**
 * Checks keys with `parseKey`, and then with the real `ssh-keygen -l` in one run. Returns one verdict for each key, in order.
 *
 * ssh-keygen prints nothing for a line that it cannot use. So its output is matched by fingerprint, which `parseKey` also computes.
 * Comments are not passed on. Needs no root, and changes nothing.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError `HOST_TIMEOUT`, `HOST_ABORTED`.
 */
export async function validateKeys(
  host: Host,
  keys: readonly string[],
  options: EffectOptions = {},
): Promise<readonly KeyVerdict[]> {
  const parsed = keys.map(parse)
  const good = parsed.filter((key) => 'blob' in key)
  const known = good.length === 0 ? new Map<string, number>() : await fingerprints(host, good, options)
  return parsed.map((key) => ('blob' in key ? verdictOf(key, known) : key))
}

function parse(text: string): AuthorizedKey | (KeyVerdict & { readonly valid: false }) {
  try {
    return parseKey(text)
  } catch (error) {
    if (error instanceof AccountError) return { valid: false, error }
    throw error
  }
}

/** Exit code 255: ssh-keygen accepts none of the lines. */
async function fingerprints(host: Host, keys: readonly AuthorizedKey[], options: EffectOptions) {
  const program = findProgram(host, 'ssh-keygen')
  const input = keys.map(({ type, blob }) => `${type} ${blob}\n`).join('')
  const run = await host.run([program, '-l', '-f', '-'], runOptions('nothing', options, { input, accept: [0, 255] }))
  return parseFingerprints(run.stdout)
}

/** Parses `256 SHA256:wK1…EXs no comment (ED25519)` lines. Returns the bits by fingerprint. Pure. */
export function parseFingerprints(text: string): Map<string, number> {
  const lines = text.split('\n').map((line) => /^(\d{1,6}) (SHA256:[A-Za-z0-9+/]{43}) /.exec(line))
  return new Map(lines.filter((line) => line !== null).map(([, bits, fingerprint]) => [fingerprint!, Number(bits)]))
}

function verdictOf({ type, fingerprint }: AuthorizedKey, known: ReadonlyMap<string, number>): KeyVerdict {
  const bits = known.get(fingerprint)
  if (bits === undefined) return { valid: false, error: keyInvalid('ssh-keygen does not accept it; create a new key') }
  return { valid: true, type, bits, fingerprint }
}
