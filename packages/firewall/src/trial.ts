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
  /** Seconds after which systemd restores the table unless `confirm` is called: 1 to 86,400. */
  readonly seconds: number
  /** Continues where systemd does not run. In that case no timer is started: to go back, apply the previous spec. */
  readonly unattended?: boolean
}

/** The rollback of a trial. systemd performs it, also when this process is killed. */
export interface Rollback {
  /**
   * Writes the present state of the table to a file, and starts a systemd timer that loads it after `seconds`.
   *
   * @returns whether the timer was started: false only with `unattended`
   * @throws FirewallError `FIREWALL_UNATTENDED`, `FIREWALL_CONFLICT` while another trial is not confirmed, `FIREWALL_INVALID`
   */
  arm(before: ObservedTable | undefined, options: TrialOptions): Promise<boolean>
  /** Stops the timer. @throws FirewallError `FIREWALL_TIMEOUT` when the table was already restored, or no trial is pending. */
  disarm(options?: EffectOptions): Promise<void>
  /** Stops the timer of a pending trial, if there is one. */
  cancel(options?: EffectOptions): Promise<void>
}

export interface RollbackFacts {
  readonly table: string
  readonly folder: string
  /** Returns the command without the arguments of nft. */
  readonly nft: () => Command
}

export function openRollback(host: Host, { table, folder, nft }: RollbackFacts): Rollback {
  const unit = `puppy-firewall-${table}-rollback`
  const name = `rollback-${table}.json`
  const files = openFiles(host, folder)
  const stop = async (options: EffectOptions) => {
    await host.run([toolOf(host, 'systemctl'), 'stop', `${unit}.timer`], runOptions('machine', options))
    await files.remove(name)
  }
  return Object.freeze<Rollback>({
    arm: async (before, options) => {
      const { seconds, unattended = false } = options
      if (!Number.isInteger(seconds) || seconds < 1 || seconds > 86_400) {
        const facts = {
          operation: 'set the seconds of a trial',
          value: String(seconds),
          detail: 'use a whole number from 1 to 86400',
        }
        throw new FirewallError('FIREWALL_INVALID', facts)
      }
      if (!(await runsSystemd(host))) {
        if (unattended) return false
        const detail =
          'systemd does not run on this host, so it cannot restore the table; if you have another way into the host, pass unattended: true'
        throw new FirewallError('FIREWALL_UNATTENDED', {
          operation: 'start a trial of the table',
          target: table,
          detail,
        })
      }
      if (await isArmed(host, unit, options)) {
        const detail = `another trial is not confirmed (${unit}.timer is active); confirm it, or wait until it ends`
        throw new FirewallError('FIREWALL_CONFLICT', { operation: 'start a trial of the table', target: table, detail })
      }
      const file = await files.write(name, renderRestore(table, before))
      const timer = [`--unit=${unit}`, `--on-active=${seconds}s`, '--timer-property=AccuracySec=100ms', '--collect']
      // A oneshot, so that `systemctl start`, by which an operator undoes a trial, ends after nft.
      const service = ['--service-type=oneshot', '--property=BindReadOnlyPaths=/dev/null:/etc/passwd']
      const words = [...timer, ...service, '--', ...nft(), '-j', '-f', file]
      const command: Command = [toolOf(host, 'systemd-run'), ...words]
      await host.run(command, runOptions('machine', options))
      return true
    },
    cancel: async (options = {}) => {
      if (await isArmed(host, unit, options)) await stop(options)
    },
    disarm: async (options = {}) => {
      if (!(await isArmed(host, unit, options))) {
        const detail =
          'no trial is pending: the table was already restored, or the trial was confirmed before; read the table to see its state'
        throw new FirewallError('FIREWALL_TIMEOUT', {
          operation: 'confirm the trial of the table',
          target: table,
          detail,
        })
      }
      await stop(options)
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
