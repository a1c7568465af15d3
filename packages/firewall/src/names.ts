import type { Command, Host } from '@puppy/host'
import type { NftCommand } from './nft/table.ts'

/** From so many elements on, the processes that it takes cost less than what they save. */
const enough = 32

/**
 * nft(8) takes the uid in an element for a login's name first, and has the C library look it up: one reading of `/etc/passwd` for each. A
 * table of 2,816 tenants who are all in there takes a second and a half for that, and everything else in it a twentieth of one.
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
 * Makes a command run where `/etc/passwd` is empty, for that command alone: in a mount namespace of its own. Where that cannot be
 * mounted, it runs as it is.
 *
 * @param command nft and its arguments; before it perhaps `ip netns exec NAME`
 * @param file what is put after them, which is there
 * @param milliseconds when it is ended, also when whoever runs it is gone
 * @returns the command with its file, as it is when a program for it is not here.
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

/** Whether it was the mount namespace that was refused, before anything ran. */
export function cannotHide(stderr: string): boolean {
  return /^unshare: /m.test(stderr)
}
