import type { EffectOptions, Host } from '@puppy/host'
import { runProgram } from '../program.ts'
import { selinuxfs } from '../state.ts'

/** Gives files of ours the context of a file that the tools may read. Without SELinux it does nothing. */
export async function copyContext(
  host: Host,
  model: string,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<void> {
  if (!host.live || paths.length === 0 || (await host.status(`${selinuxfs}/enforce`)) === undefined) return
  await runProgram(host, ['chcon', `--reference=${model}`, '--', ...paths], {
    operation: 'give files the context of',
    target: model,
    touches: 'files',
    ...options,
  })
}
