import {
  requireTool,
  runOptions,
  runsSystemd,
  type Command,
  type EffectOptions,
  type Host,
  type Tool,
} from '@puppy/host'
import { FirewallError } from './errors.ts'
import { openFiles } from './files.ts'
import type { ObservedTable } from './nft/table.ts'
import { renderRestore } from './restore.ts'

export interface TrialOptions extends EffectOptions {
  /** Seconds after which the table is restored unless `confirm` is called. */
  readonly seconds: number
  /** Goes on where systemd does not run, so that nothing restores the table. */
  readonly unattended?: boolean
}

/** Restores a table by systemd, also when this process is killed. */
export interface Rollback {
  /**
   * Writes what the table is now and has systemd load it after so many seconds.
   *
   * @returns whether it is armed: false only with `unattended`
   * @throws FirewallError `FIREWALL_UNATTENDED`, `FIREWALL_CONFLICT` while another trial is not confirmed, `FIREWALL_INVALID`
   */
  arm(before: ObservedTable | undefined, options: TrialOptions): Promise<boolean>
  /** Disarms. @throws FirewallError `FIREWALL_TIMEOUT` when the table was restored already, or no trial waits. */
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
        const facts = { operation: 'try a spec for seconds', value: String(seconds), detail: 'use 1 to 86400' }
        throw new FirewallError('FIREWALL_INVALID', facts)
      }
      if (!(await runsSystemd(host))) {
        if (unattended) return false
        const detail =
          'systemd does not run here, so nothing would restore the table; pass unattended: true if you have another way in'
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
      const command: Command = [toolOf(host, 'systemd-run'), ...words]
      await host.run(command, runOptions('machine', options))
      return true
    },
    disarm: async (options = {}) => {
      if (!(await isArmed(host, unit, options))) {
        const detail =
          'no trial waits to be confirmed: the table was restored in the meantime, or the trial was confirmed before'
        throw new FirewallError('FIREWALL_TIMEOUT', { operation: 'confirm the table', target: table, detail })
      }
      await host.run([toolOf(host, 'systemctl'), 'stop', `${unit}.timer`], runOptions('machine', options))
      await files.remove(name)
    },
  })
}

async function isArmed(host: Host, unit: string, options: EffectOptions): Promise<boolean> {
  if (!(await runsSystemd(host))) return false
  const command: Command = [toolOf(host, 'systemctl'), 'is-active', '--quiet', `${unit}.timer`]
  const { exitCode } = await host.run(command, runOptions('nothing', options, { accept: [0, 3, 4] }))
  return exitCode === 0
}

function toolOf(host: Host, name: Tool): string {
  return requireTool(host, name, (facts) => new FirewallError('FIREWALL_NOT_INSTALLED', facts))
}
