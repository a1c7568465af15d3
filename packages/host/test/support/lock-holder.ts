/** Takes the lock repeatedly until it is killed, and logs when it held the lock. */
import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost, type Host } from '../../src/index.ts'

const [folder = '', mode = 'plain', milliseconds = '1500'] = process.argv.slice(2)
const host: Host = createHost()
const write = (event: string) => appendFileSync(`${folder}/log`, `${event} ${process.pid} ${process.hrtime.bigint()}\n`)

/** The child logs its own times, because it continues when its parent is killed. It runs in Node, because /proc/uptime is too coarse. */
const childProgram = `
const { appendFileSync } = require('node:fs')
const write = (event) => appendFileSync(${JSON.stringify(`${folder}/log`)}, event + ' ' + process.pid + ' ' + process.hrtime.bigint() + '\\n')
write('child-enter')
setTimeout(() => write('child-exit'), Number(process.argv[1]))
`
const slowChild = (milliseconds: number) =>
  host.run([process.execPath, '-e', childProgram, String(milliseconds)], { touches: 'files', timeout: 90_000 })

async function untilChildEntered(): Promise<void> {
  while (!readFileSync(`${folder}/log`, 'utf8').includes('child-enter')) await sleep(20)
}

process.on('disconnect', () => process.exit())
let first = true
for (;;) {
  const lock = await host.lock(`${folder}/lock`, { timeout: 60_000 })
  write('enter')
  if (mode === 'one-slow-child') {
    void untilChildEntered().then(() => process.send?.('started'))
    await slowChild(Number(milliseconds))
  } else if (mode === 'slow-child' && Math.random() < 0.3) await slowChild(60)
  else await sleep(Math.random() * 3)
  write('exit')
  await lock.release()
  if (first && mode !== 'one-slow-child') process.send?.('ready')
  first = false
}
