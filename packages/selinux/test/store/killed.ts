import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { renderRecords } from '../../src/cil/records.ts'
import { openPolicy } from '../../src/policy.ts'
import { moduleName } from '../../src/store/modules.ts'
import { createMiniStore, noStore, semodule } from '../support/mini.ts'

const script = fileURLToPath(new URL('../support/commit-and-die.ts', import.meta.url))
const text = (first: number) =>
  renderRecords({
    ports: Array.from({ length: 500 }, (_, n) => ({ protocol: 'tcp', first: first + n, type: 'port_t' })),
  })
const [one, other] = [text(1000), text(2000)]
const names = [one, other].map((module) => moduleName('puppy_killed', module))
t.setTimeout(300_000)

void t.test(
  'killed at any of 20 moments the store is valid, and the next run converges',
  { skip: noStore },
  async (t) => {
    const host = await createMiniStore(t)
    const policy = openPolicy(host)
    let repaired = 0
    for (let turn = 0; turn < 20; turn += 1) {
      const child = spawn(process.execPath, ['--no-warnings', script, host.root, one, other], {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      // Twice the length of a transaction here: some are killed in the second.
      const moment = Math.round(Math.random() * 600)
      await sleep(moment)
      process.kill(-(child.pid ?? 0), 'SIGKILL')
      await once(child, 'exit')
      const left = await policy.read()
      if (!left.interrupted) {
        t.match(await semodule(host, '-l'), /^base$/m, `valid after ${moment} ms`)
        t.ok(left.modules.length === 0 || names.includes(left.modules.join()), `old or new after ${moment} ms`)
      }
      const wanted = turn % 2 === 0 ? other : one
      const result = await policy.ensure({ modules: { puppy_killed: wanted } })
      repaired += result.repaired ? 1 : 0
      t.strictSame((await policy.read()).modules, [moduleName('puppy_killed', wanted)], `converges after ${moment} ms`)
      t.notOk((await policy.ensure({ modules: { puppy_killed: wanted } })).changed)
    }
    t.comment(`put back after ${repaired} of 20`)
  },
)
