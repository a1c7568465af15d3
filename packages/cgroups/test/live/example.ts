import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createHost, HostError } from '@puppy/host'
import { whyNot } from '../support/tenants.ts'

const host = createHost()

void t.test(
  'the example of the README limits a process and removes its group',
  { skip: await whyNot(host) },
  async (t) => {
    const script = fileURLToPath(new URL('../../examples/limit-a-process.ts', import.meta.url))
    const example = () => host.run([process.execPath, '--no-warnings', script], { touches: 'machine' })
    // On an emulated machine, Node itself sometimes crashes at its start.
    const crashed = (error: unknown) => error instanceof HostError && /SIG(TRAP|SEGV)/.test(error.facts.detail ?? '')
    const { stdout } = await example().catch((error: unknown) => {
      if (!crashed(error)) throw error
      return example()
    })
    t.match(stdout, /nrThrottled: [1-9]/)
    const used = Number(/usageUsec: (\d+)n/.exec(stdout)?.[1])
    t.comment(`a busy loop under a tenth of a core used ${used} microseconds in 3 s`)
    t.ok(used < 600_000, 'at most a tenth of a core, and the time before the process was moved')
    t.equal(await host.status('/sys/fs/cgroup/puppy-demo'), undefined)
  },
)
