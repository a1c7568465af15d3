import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { readMapTexts, readRoutes } from '../../src/routes/read.ts'
import { skip, testProxy } from '../support/proxy.ts'

void t.test('readRoutes() returns no rows without files and without a worker', async (t) => {
  const { context } = await testProxy(t)
  t.strictSame(await readRoutes(context), { disk: { hosts: [], suspended: [] } })
  t.strictSame(await readMapTexts(context), {})
})

void t.test('readRoutes() reads the disk and the worker separately', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await context.host.replace(context.files.hosts, '# by hand\na.test 20001\n')
  await context.runtime.send(['add', 'map', 'suspended.map', '7', '1'])
  matchWhole(t, await readRoutes(context), {
    disk: { hosts: [{ key: 'a.test', value: '20001' }], suspended: [] },
    running: { hosts: [], suspended: [{ key: '7', value: '1' }] },
  })
  t.strictSame(await readMapTexts(context), { hosts: '# by hand\na.test 20001\n', suspended: '' })
})
