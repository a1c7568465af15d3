import type { EffectOptions, Host } from '@puppy/host'
import { effectOptions, runProgram } from '../program.ts'
import { parseDenial, type Denial } from './denial.ts'

/** The log of auditd(8). */
export const auditLog = '/var/log/audit/audit.log'

export interface DenialOptions extends EffectOptions {
  /** The SELinux user whose denials are read. Default `puppy_u`. */
  readonly user?: string
  /** The number of bytes that are read from the end of the log. Default 8 MiB. */
  readonly bytes?: number
}

/**
 * Reads the denials of tenants from the end of the audit log, oldest first. Without an audit log, reads the kernel log.
 *
 * Denials that a policy hides (`dontaudit`) are logged only after `ensure({ dontaudit: 'logged' })`.
 *
 * @throws SelinuxError `SELINUX_REFUSED`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`.
 */
export async function readDenials(host: Host, options: DenialOptions = {}): Promise<readonly Denial[]> {
  const { user = 'puppy_u', bytes = 8 * 1024 * 1024 } = options
  const logged = (await host.status(auditLog)) !== undefined
  const command = logged ? (['tail', `--bytes=${bytes}`, '--', host.path(auditLog)] as const) : (['dmesg'] as const)
  const { stdout } = await runProgram(host, command, {
    operation: 'read the denials in',
    target: logged ? auditLog : 'the kernel log',
    touches: 'nothing',
    ...effectOptions(options),
  })
  return denialsOf(stdout.split('\n'), user)
}

/** Returns the denials of a SELinux user among lines of a log. Pure. */
export function denialsOf(lines: readonly string[], user: string): readonly Denial[] {
  return lines.flatMap((line) => {
    const denial = parseDenial(line)
    return denial?.source.user === user ? [denial] : []
  })
}
