import type { Command, Host } from '@puppy/host'
import type { NftCommand } from './nft/table.ts'

/** From this many elements on, hiding the file costs less than it saves. */
const enough = 32

/**
 * Returns whether a transaction has many elements. nft(8) takes the uid in an element for a login's name first, and the C library
 * reads `/etc/passwd` once for each. For 2,816 tenants with a login that takes 1.5 seconds, and the rest of the transaction 0.05.
 */
export function looksUpMany(commands: readonly NftCommand[]): boolean {
  let count = 0
  for (const { add } of commands) {
    const { elem } = (add?.['element'] ?? {}) as { readonly elem?: readonly unknown[] }
    count += elem?.length ?? 0
    if (count >= enough) return true
  }
  return false
}

/**
 * Returns a command that runs where `/etc/passwd` is empty, for that command alone: in a mount namespace of its own. Where that cannot
 * be mounted, it runs as it is.
 *
 * @param command nft and its arguments; before it perhaps `ip netns exec NAME`
 * @param file an existing file that is put after them
 * @param milliseconds when it is ended, also when this process was killed
 * @returns the command with its file, as it is when a program for this is not installed.
 * @see unshare(1), find(1): with `+` it ends with the exit code 1 when the command fails
 */
export function withoutNames(
  host: Host,
  { command, nft, file, milliseconds }: { command: Command; nft: number; file: string; milliseconds: number },
): Command {
  const [unshare, find, mount, timeout] = ['unshare', 'find', 'mount', 'timeout'].map((name) => host.program(name))
  const direct: Command = [...command, file]
  if (unshare === undefined || find === undefined || mount === undefined || timeout === undefined) return direct
  const seconds = String(Math.ceil(milliseconds / 1000) + 1)
  const run = ['-exec', timeout, '--signal=KILL', seconds, ...command.slice(nft), '{}', '+']
  const hide = ['-exec', mount, '--bind', '/dev/null', '/etc/passwd', ';']
  const alone = [unshare, '--mount', '--propagation', 'private', '--']
  const words = [...alone, find, file, '-maxdepth', '0', '(', ...hide, ...run, ')', '-o', ...run]
  return [...command.slice(0, nft), ...words] as unknown as Command
}

/** Returns whether the mount namespace was refused, before anything ran. */
export function cannotHide(stderr: string): boolean {
  return /^unshare: /m.test(stderr)
}
