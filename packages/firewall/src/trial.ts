import { HostError, type Command, type Host } from '@puppy/host'
import { FirewallError } from './errors.ts'
import { openFiles } from './files.ts'
import type { ObservedTable } from './nft/table.ts'
import type { EffectOptions } from './program.ts'
import { renderRestore } from './restore.ts'

export interface TrialOptions extends EffectOptions {
  /** Seconds after which what was before comes back unless `confirm` is called. */
  readonly seconds: number
  /** Go on where no systemd runs, without anybody to take it back. */
  readonly unattended?: boolean
}

/** Puts back what was there, by systemd, whatever becomes of us. */
export interface Rollback {
  /**
   * Writes what the table is now and has systemd load it in so many seconds.
   *
   * @returns whether it is armed: false only when `unattended`
   * @throws FirewallError `FIREWALL_UNATTENDED`, `FIREWALL_CONFLICT` while another trial is not confirmed, `FIREWALL_INVALID`
   */
  arm(before: ObservedTable | undefined, options: TrialOptions): Promise<boolean>
  /** Disarms. @throws FirewallError `FIREWALL_TIMEOUT` when it has happened already, or there was nothing to confirm. */
  disarm(options?: EffectOptions): Promise<void>
}

export interface RollbackFacts {
  readonly table: string
  readonly folder: string
  /** The words before nft's own arguments. */
  readonly nft: () => Command
}

export function openRollback(host: Host, { table, folder, nft }: RollbackFacts): Rollback {
  const unit = `puppy-firewall-${table}-rollback`
  const name = `rollback-${table}.json`
  const files = openFiles(host, folder)
  return Object.freeze<Rollback>({
    arm: async (before, options) => {
      const { seconds, unattended = false } = options
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400) {
        const facts = { operation: 'try settings for seconds', value: String(seconds), detail: 'give 1 to 86400' }
        throw new FirewallError('FIREWALL_INVALID', facts)
      }
      if (!(await runsSystemd(host))) {
        if (unattended) return false
        const detail = 'no systemd runs here to take it back; pass unattended: true when you have another way in'
        throw new FirewallError('FIREWALL_UNATTENDED', { operation: 'try the table', target: table, detail })
      }
      if (await isArmed(host, unit, options)) {
        const detail = `${unit}.timer still waits; confirm that trial, or let it end`
        throw new FirewallError('FIREWALL_CONFLICT', { operation: 'try the table', target: table, detail })
      }
      const file = await files.write(name, renderRestore(table, before))
      const timer = [`--unit=${unit}`, `--on-active=${seconds}s`, '--timer-property=AccuracySec=100ms', '--collect']
      const service = ['--property=BindReadOnlyPaths=/dev/null:/etc/passwd']
      const words = [...timer, ...service, '--', ...nft(), '-j', '-f', file]
      const command: Command = [programOf(host, 'systemd-run'), ...words]
      await host.run(command, { ...bounded(options), touches: 'machine' })
      return true
    },
    disarm: async (options = {}) => {
      if (!(await isArmed(host, unit, options))) {
        const detail = 'nothing waits to be confirmed: it was taken back in the meantime, or confirmed before'
        throw new FirewallError('FIREWALL_TIMEOUT', { operation: 'confirm the table', target: table, detail })
      }
      await host.run([programOf(host, 'systemctl'), 'stop', `${unit}.timer`], {
        ...bounded(options),
        touches: 'machine',
      })
      await files.remove(name)
    },
  })
}

async function isArmed(host: Host, unit: string, options: EffectOptions): Promise<boolean> {
  if (!(await runsSystemd(host))) return false
  const command: Command = [programOf(host, 'systemctl'), 'is-active', '--quiet', `${unit}.timer`]
  const { exitCode } = await host.run(command, { ...bounded(options), touches: 'nothing', accept: [0, 3, 4] })
  return exitCode === 0
}

/** @see sd_booted(3) */
async function runsSystemd(host: Host): Promise<boolean> {
  return host.live && (await host.status('/run/systemd/system'))?.kind === 'folder'
}

function programOf(host: Host, name: string): string {
  const found = host.program(name)
  if (found !== undefined) return found
  throw new HostError('HOST_PROGRAM_NOT_FOUND', {
    operation: `find ${name}`,
    detail: 'systemd runs and it is not there',
  })
}

function bounded({ signal, timeout }: EffectOptions): EffectOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) }
}
