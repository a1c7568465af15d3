import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { firstOutput } from '@puppy/host/testing'
import t, { type Test } from 'tap'
import { renderRecords } from '../../src/cil/records.ts'
import { SelinuxError } from '../../src/errors.ts'
import { openPolicy } from '../../src/policy.ts'
import { moduleName } from '../../src/store/modules.ts'
import { createMiniStore, noLibrary, noStore, semodule } from '../support/mini.ts'

const script = fileURLToPath(new URL('../support/commit-and-die.ts', import.meta.url))
const text = (first: number) =>
  renderRecords({
    ports: Array.from({ length: 500 }, (_, n) => ({ protocol: 'tcp', first: first + n, type: 'port_t' })),
  })
const own = '(boolean own false)\n'
t.setTimeout(900_000)

/** Kills a program that runs transactions twenty times, each time at another moment. */
async function kill(t: Test, boolean?: string): Promise<void> {
  const [one, other] = [own + text(1000), own + text(2000)]
  const names = [one, other].map((module) => moduleName('puppy_killed', module))
  const host = await createMiniStore(t)
  const policy = openPolicy(host)
  const [counts, words] = [{ repaired: 0, back: 0 }, boolean === undefined ? [] : [boolean]]
  const specOf = (module: string, value: boolean) => ({
    modules: { puppy_killed: module },
    ...(boolean === undefined ? {} : { booleans: { [boolean]: value } }),
  })
  for (let turn = 0; turn < 20; turn += 1) {
    const child = spawn(process.execPath, ['--no-warnings', script, host.root, one, other, ...words], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await firstOutput(child)
    // Twice the duration of a transaction here, so some programs are killed in their second transaction.
    const moment = Math.round(Math.random() * 600)
    await sleep(moment)
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await once(child, 'exit')
    const left = await policy.read()
    if (!left.interrupted) {
      t.match(await semodule(host, '-l'), /^base$/m, `valid after ${moment} ms`)
      t.ok(left.modules.length === 0 || names.includes(left.modules.join()), `old or new after ${moment} ms`)
    }
    const spec = specOf(turn % 2 === 0 ? other : one, turn % 2 === 0)
    const { changes, results } = await policy.ensure(spec)
    t.ok(
      results.every(({ error }) => error === undefined),
      `no item failed after ${moment} ms`,
    )
    counts.repaired += changes.some(({ action }) => action === 'repair') ? 1 : 0
    const before = await policy.read()
    t.strictSame(before.modules, [names[turn % 2 === 0 ? 1 : 0]], `converges after ${moment} ms`)
    t.notOk((await policy.ensure(spec)).changed)

    // Two rollbacks restore the state regardless of what the killed program had written, or there is nothing to roll back to.
    try {
      await policy.rollback()
      counts.back += 1
      await policy.rollback()
    } catch (error) {
      if (!(error instanceof SelinuxError) || error.code !== 'SELINUX_NO_PREVIOUS') throw error
    }
    t.strictSame(await policy.read(), before, 'rollback() and rollback() change nothing')
  }
  t.comment(`restored after ${counts.repaired} of 20, rolled back after ${counts.back}`)
  t.ok(counts.back > 0, 'at least one rollback succeeded')
}

void t.test(
  'after a kill at any of 20 moments the store is valid, and the next run converges',
  { skip: noStore },
  (t) => kill(t),
)

void t.test(
  'after a kill in a transaction with a boolean the store is valid, and the next run converges',
  { skip: noStore || noLibrary },
  (t) => kill(t, 'own'),
)
