/** Locks a file repeatedly until it is killed, as `Host.lock` or as proper-lockfile does, and logs when it held the lock. */
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { lock } from 'proper-lockfile'
import { createHost } from '../../src/index.ts'

const [folder = '', kind = 'ours', hold = '3'] = process.argv.slice(2)
const host = createHost()
const file = `${folder}/config`
const write = (event: string) => appendFileSync(`${folder}/log`, `${event} ${process.pid} ${process.hrtime.bigint()}\n`)

async function take(): Promise<() => Promise<void>> {
  if (kind === 'theirs') return lock(file, { retries: { retries: 10_000, factor: 1, minTimeout: 1, maxTimeout: 20 } })
  const held = await host.lock(file, { visible: true, timeout: 120_000 })
  return () => held.release()
}

process.on('disconnect', () => process.exit())
for (;;) {
  const release = await take()
  write('enter')
  process.send?.('taken')
  await sleep(Number(hold) * Math.random())
  write('exit')
  await release()
  // Lets other processes take the lock: neither kind of lock has a queue.
  await sleep(5)
}
