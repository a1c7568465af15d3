import { HostError, runOptions, runsSystemd, type EffectOptions, type Host } from '@puppy/host'
import { findProgram } from '../program.ts'

/** Returns why `sshd -t` refuses the configuration, or undefined when sshd accepts it. */
export async function checkSshd(host: Host, options: EffectOptions): Promise<string | undefined> {
  try {
    await host.run([findProgram(host, 'sshd'), '-t'], runOptions('nothing', options))
    return undefined
  } catch (error) {
    if (error instanceof HostError && error.code === 'HOST_PROGRAM_FAILED') return error.facts.stderr ?? error.message
    throw error
  }
}

/** Returns whether sshd uses PAM. Without PAM it treats a locked password as a locked account, and no key is accepted for it. */
export async function readUsePam(host: Host, options: EffectOptions): Promise<boolean> {
  const command = [findProgram(host, 'sshd'), '-T', '-C', 'user=root,host=localhost,addr=127.0.0.1'] as const
  const run = await host.run([...command], runOptions('nothing', options, { accept: [0, 1, 255] }))
  return !/(?:^|\n)usepam no(?:\n|$)/.test(run.stdout)
}

/**
 * Reloads a running sshd. Returns the steps that the operator must do.
 *
 * A socket-activated sshd reads its configuration for every connection: then no unit is active, and nothing is reloaded.
 */
export async function reloadSshd(host: Host, options: EffectOptions): Promise<readonly string[]> {
  const systemctl = (await runsSystemd(host)) ? host.program('systemctl') : undefined
  if (systemctl === undefined) return ['reload sshd: send SIGHUP to its main process (kill -HUP PID)']
  const list = ['list-units', '--no-legend', '--plain', '--state=active', 'ssh.service', 'sshd.service'] as const
  const { stdout } = await host.run([systemctl, ...list], runOptions('nothing', options))
  const units = [...new Set(stdout.match(/(?<![^\n])sshd?\.service/g))]
  if (units.length > 0) await host.run([systemctl, 'reload', ...units], runOptions('machine', options))
  return []
}
