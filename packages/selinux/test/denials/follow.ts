import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { followDenials } from '../../src/denials/follow.ts'
import { lines } from '../support/denials.ts'

const log = '/var/log/audit/audit.log'

void t.test('followDenials() yields each denial once, also across rotations', async (t) => {
  const host = createHost({ root: t.testdir({ var: { log: { audit: {} } } }) })
  const file = host.path(log)
  await writeFile(file, `${lines[0]}\n`)
  const end = new AbortController()
  const stream = await followDenials(host, { interval: 10, signal: end.signal })
  const next = async () => (await stream.next()).value?.acts
  await appendFile(file, `${lines[1]}\nnonsense\n${lines[2]}\n${lines[3]}\n`)
  t.strictSame(await next(), ['read', 'write'], 'earlier denials are not yielded')
  t.strictSame(await next(), ['name_bind'])

  await appendFile(file, `${lines[0]}\n`)
  await rename(file, `${file}.1`)
  t.strictSame(await next(), ['getattr'], 'written just before the rotation')
  const waiting = next()
  await sleep(50)
  await writeFile(file, `${lines[1]}\n`)
  t.strictSame(await waiting, ['read', 'write'], 'the first denial of the new log')
  const last = stream.next()
  end.abort()
  t.match(await last, { done: true }, 'an abort ends it')
})

void t.test('followDenials() yields past denials on request, and throws without a log', async (t) => {
  const host = createHost({ root: t.testdir({}) })
  await t.rejects(followDenials(host), { code: 'SELINUX_NOT_INSTALLED', message: /auditd/ })
  await t.rejects(followDenials(host, { past: true }), { code: 'SELINUX_NOT_INSTALLED' })
  await mkdir(host.path('/var/log/audit'), { recursive: true })
  await writeFile(host.path(log), `${lines.join('\n')}\n`)
  const found: string[] = []
  for await (const { source } of await followDenials(host, { past: true, user: 'unconfined_u' })) {
    found.push(source.type)
    break
  }
  t.strictSame(found, ['semanage_t'])
})

void t.test('followDenials() follows the log of a fake host', async (t) => {
  const host = createFakeHost({ files: { [log]: '' } })
  const stream = await followDenials(host, { interval: 5 })
  const first = stream.next()
  setTimeout(() => host.append(log, `${lines[0]}\n`), 50)
  t.match(await first, { value: { command: 'systemctl' } })
  await stream.return()
})
