/** A process that is killed while it sets a batch of a thousand limits. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost } from '@puppy/host'
import { firstOutput } from '@puppy/host/testing'
import t from 'tap'
import { openQuota } from '../../../src/index.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')
const [first, count] = [74_001, 1000]
const MiB = 1024 * 1024
const none = { soft: 'none', hard: 'none' } as const

for (const path of ['/home', '/srv/xfs']) {
  const missing = skip || (existsSync(path) ? false : `${path} does not exist`)
  void t.test(
    `${path}: ensure() sets the rest after a process was killed in the middle of a batch`,
    { skip: missing },
    async (t) => {
      const quota = openQuota(createHost(), path)
      const ids = Array.from({ length: count }, (_, n) => first + n)
      t.teardown(() => quota.ensure(ids.map((id) => ({ id, bytes: none }))))
      const script = fileURLToPath(new URL('../../support/set-and-die.ts', import.meta.url))
      for (const [at, after] of [100, 200, 300].entries()) {
        const before = at === 0 ? 'none' : at * MiB
        const hard = (at + 1) * MiB
        const words = [path, String(first), String(count), String(hard)]
        const child = spawn(process.execPath, ['--no-warnings', script, ...words], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        await firstOutput(child)
        await sleep(after)
        child.kill('SIGKILL')
        await once(child, 'close')
        const hards = (await quota.report(ids)).map(({ bytes }) => bytes.hard)
        t.ok(
          hards.every((one) => one === before || one === hard),
          `${after} ms later ${hards.filter((one) => one === hard).length} are set, and each limit is the old or the new one`,
        )
        const { results } = await quota.ensure(ids.map((id) => ({ id, bytes: { hard } })))
        t.ok(results.every(({ error }) => error === undefined))
        t.ok(
          (await quota.report(ids)).every(({ bytes }) => bytes.hard === hard),
          'after ensure() each limit is set',
        )
      }
    },
  )
}
