import { requireTool, type Host, type Tool } from '@puppy/host'
import { AccountError } from './errors.ts'

/**
 * Returns the absolute path of a program.
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`, whose steps name the Debian package.
 */
export function findProgram(host: Host, name: Tool): string {
  return requireTool(host, name, (facts) => new AccountError('ACCOUNT_PROGRAM_MISSING', facts))
}

/** Returns `--root=DIR` for the systemd tools when the host is only a folder. */
export function rootArguments(host: Host): readonly string[] {
  return host.live ? [] : [`--root=${host.root}`]
}

/** Returns `--prefix DIR` for the tools of shadow-utils when the host is only a folder: the machine's own files stay. */
export function prefixArguments(host: Host): readonly string[] {
  return host.live ? [] : ['--prefix', host.root]
}
