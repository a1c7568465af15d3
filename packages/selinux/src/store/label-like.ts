import type { Host } from '@puppy/host'
import { runProgram } from '../program.ts'
import { selinuxfs } from '../state.ts'

/** Gives files of ours the label of something that the tools may read. Where SELinux is off nothing has to be done. */
export async function labelLike(host: Host, model: string, paths: readonly string[]): Promise<void> {
  if (!host.live || paths.length === 0 || (await host.status(`${selinuxfs}/enforce`)) === undefined) return
  await runProgram(host, ['chcon', `--reference=${model}`, '--', ...paths], {
    operation: 'label what the tools should read like',
    target: model,
    touches: 'files',
  })
}
