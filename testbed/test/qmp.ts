import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openMonitor } from '../src/qmp.ts'

const skip = createHost().program('qemu-system-x86_64') === undefined ? 'QEMU is not installed' : false

void t.test('openMonitor() connects to a QEMU, also in a folder with a long path', { skip }, async (t) => {
  const folder = t.testdir({ ['d'.repeat(120)]: {} })
  const deep = `${folder}/${'d'.repeat(120)}`
  const words = [
    '-nodefaults',
    '-display',
    'none',
    '-machine',
    'none',
    '-qmp',
    'unix:qmp.sock,server=on,wait=off',
    '-S',
  ]
  const child = spawn('qemu-system-x86_64', words, { cwd: deep, stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  for (let turn = 0; turn < 600 && !existsSync(`${deep}/qmp.sock`); turn++) await sleep(50)
  const monitor = await openMonitor(deep)
  t.match(await monitor.execute('query-status'), { status: 'prelaunch' })
  await t.rejects(monitor.execute('no-such-command'), {
    name: 'TestbedError',
    message: /^QEMU refused: .*no-such-command/,
  })
  t.match(await monitor.execute('query-version'), { qemu: { major: Number } }, 'the answers stay in order')
  await monitor.execute('quit').catch(() => undefined)
  if (child.exitCode === null) await once(child, 'exit')
  await t.rejects(monitor.execute('query-status'), { name: 'TestbedError' })
})

void t.test('openMonitor() throws a TestbedError without a QEMU', async (t) => {
  await t.rejects(openMonitor(t.testdir()), { name: 'TestbedError', message: /^Cannot reach QEMU: / })
})
