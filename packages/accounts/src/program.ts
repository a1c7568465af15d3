import { requireTool, type Host, type Tool } from '@puppy/host'
import { AccountError } from './errors.ts'

/**
 * Returns the absolute path of a program.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`, with the command that installs its Debian package in `facts.steps`.
 */
export function findProgram(host: Host, name: Tool): string {
  return requireTool(host, name, (facts) => new AccountError('ACCOUNT_PROGRAM_MISSING', facts))
}

/** Returns `--root=DIR` for the systemd tools when the host is only a folder, otherwise nothing. Pure. */
export function rootArguments(host: Host): readonly string[] {
  return host.live ? [] : [`--root=${host.root}`]
}

/**
 * Returns `--prefix DIR` for the tools of shadow-utils when the host is only a folder, so that they do not change files of the machine.
 * Pure.
 */
export function prefixArguments(host: Host): readonly string[] {
  return host.live ? [] : ['--prefix', host.root]
}
