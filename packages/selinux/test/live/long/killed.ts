import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost, inOurDomain } from '@puppy/host'
import { firstOutput } from '@puppy/host/testing'
import t from 'tap'
import { renderRecords } from '../../../src/cil/index.ts'
import { openPolicy } from '../../../src/index.ts'
import { moduleName, moduleOf } from '../../../src/store/modules.ts'
import { whyNot } from '../../support/tenants.ts'

t.setTimeout(1_800_000)
const host = createHost()
const skip = await whyNot(host)
const script = fileURLToPath(new URL('../../support/commit-and-die.ts', import.meta.url))
const text = (first: number) => renderRecords({ ports: [{ protocol: 'tcp', first, type: 'http_port_t' }] })
const [one, other] = [text(29_400), text(29_401)]
const specOf = (module: string) => ({ modules: { puppy_killed: module } })

void t.test(
  'the store of the machine converges after two kills in a transaction that loads the policy',
  { skip },
  async (t) => {
    const policy = openPolicy(host)
    t.teardown(() => policy.ensure({ remove: ['puppy_killed'] }))
    const began = performance.now()
    t.equal((await policy.ensure(specOf(one))).changed, true)
    const length = performance.now() - began
    for (let turn = 0; turn < 2; turn += 1) {
      // Both programs install the module that is not installed.
      const child = spawn(process.execPath, ['--no-warnings', script, '/', other, one], {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await firstOutput(child)
      const moment = Math.round((0.1 + 0.9 * Math.random()) * length)
      await sleep(moment)
      process.kill(-(child.pid ?? 0), 'SIGKILL')
      await once(child, 'exit')
      const left = await policy.read()
      t.comment(
        `killed after ${moment} of ${Math.round(length)} ms: ${left.interrupted ? 'between the renames' : 'a complete store'}`,
      )
      if (!left.interrupted) {
        const list = await inOurDomain(host, [host.program('semodule') ?? '', '-l'])
        const listed = await host.run(list, { touches: 'nothing', timeout: 60_000 })
        t.match(listed.stdout, /^base$/m, 'valid')
        const ours = left.modules.filter((name) => moduleOf(name) === 'puppy_killed')
        t.ok(
          [one, other].some((module) => ours.join() === moduleName('puppy_killed', module)),
          `old or new: ${ours.join()}`,
        )
      }
      const { results } = await policy.ensure(specOf(one))
      t.equal(results[0]?.error, undefined)
      t.equal((await policy.ensure(specOf(one))).changed, false, 'the next run converges')
    }
  },
)
