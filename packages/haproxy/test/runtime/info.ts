import fc from 'fast-check'
import t from 'tap'
import { parseInfo, readInfo } from '../../src/runtime/info.ts'
import { skip, testProxy } from '../support/proxy.ts'

void t.test('readInfo() returns version, description and pid of the worker', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  const info = await readInfo(context.runtime)
  t.match(info, { version: /^[0-9]+\.[0-9]+/, description: /^puppy-[0-9a-f]{16}$/, connections: 0 })
  t.ok(info !== undefined && info.pid > 1 && info.pid !== pid)
})

void t.test('parseInfo() returns undefined for a text without a valid Pid line', async (t) => {
  for (const text of ['', 'Name: HAProxy', 'Pid: x', 'Pid: 0', ':']) t.equal(parseInfo(text), undefined)
})

void t.test('parseInfo() never throws', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.match(parseInfo(`Pid: 7\n${text}\n`), { uptime: Number, connections: Number })
    }),
  )
})
