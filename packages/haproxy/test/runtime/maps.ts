import fc from 'fast-check'
import t from 'tap'
import { HaproxyError } from '../../src/errors.ts'
import {
  applyMap,
  parseMapList,
  parseMapRows,
  planMap,
  readMap,
  replaceMap,
  type MapRow,
} from '../../src/runtime/maps.ts'
import type { Runtime } from '../../src/runtime/socket.ts'
import { skip, testProxy } from '../support/proxy.ts'

const name = 'hosts.map'
const rowsOf = (count: number, value = 20_001): readonly MapRow[] =>
  Array.from({ length: count }, (_, index) => ({ key: `d${index}.test`, value: String(value) }))

void t.test('parseMapList() reads names, versions and counts', async (t) => {
  // haproxy 2.6.12-1+deb12u4: show map
  const text = `# id (file) description
2 (hosts.map) pattern loaded from file 'hosts.map' used by map at file '/x/haproxy.cfg' line 30. curr_ver=0 next_ver=1 entry_cnt=5
4 (suspended.map) pattern loaded from file 'suspended.map' used by map at file '/x/haproxy.cfg' line 33. curr_ver=0 next_ver=0 entry_cnt=0`
  t.strictSame(parseMapList(text), [
    { name: 'hosts.map', current: 0, prepared: 1, entries: 5 },
    { name: 'suspended.map', current: 0, prepared: 0, entries: 0 },
  ])
})

void t.test('parseMapRows() keeps spaces in a value and refuses any other line', async (t) => {
  t.strictSame(parseMapRows('0x55f7 a.test 10 240'), [{ key: 'a.test', value: '10 240' }])
  t.strictSame(parseMapRows(''), [])
  t.throws(() => parseMapRows('# table'), { code: 'HAPROXY_REPLY_UNKNOWN' })
})

void t.test('parseMapList() never throws, and parseMapRows() throws only a HaproxyError', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.ok(Array.isArray(parseMapList(text)))
      try {
        parseMapRows(text)
      } catch (error) {
        t.ok(error instanceof HaproxyError)
      }
    }),
  )
})

void t.test('planMap() returns the smallest difference', async (t) => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const row = fc.record({ key, value: fc.constantFrom('1', '2') })
  const wanted = fc.uniqueArray(row, { selector: (one) => one.key })
  fc.assert(
    fc.property(wanted, fc.array(row, { maxLength: 8 }), (after, before) => {
      const plan = planMap(after, before)
      const left = before.filter((one) => !plan.remove.includes(one.key))
      const set = left.map((one) => plan.set.find((other) => other.key === one.key) ?? one)
      t.strictSame(sorted([...set, ...plan.add]), sorted(after))
      t.strictSame(planMap(after, after), { add: [], set: [], remove: [] })
    }),
  )
})

void t.test('applyMap() changes rows one by one or all at once, and readMap() returns them', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  let seen: readonly MapRow[] = []
  const steps = [rowsOf(3), rowsOf(5, 20_002), rowsOf(1), rowsOf(5000), rowsOf(5000, 20_003), rowsOf(4999), []]
  for (const wanted of steps) {
    await applyMap(context.runtime, name, wanted, seen)
    seen = await readMap(context.runtime, name)
    t.strictSame(sorted(seen), sorted(wanted), `${wanted.length} rows`)
  }
})

void t.test('applyMap() repairs a key that occurs twice', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  for (const value of ['20001', '20002']) await context.runtime.send(['add', 'map', name, 'a.test', value])
  const wanted = [{ key: 'a.test', value: '20001' }]
  await applyMap(context.runtime, name, wanted, await readMap(context.runtime, name))
  t.strictSame(await readMap(context.runtime, name), wanted)
})

void t.test('applyMap() sends nothing when the rows are equal', async (t) => {
  const silent: Runtime = {
    send: () => Promise.reject(new Error('sent')),
    sendMany: () => Promise.reject(new Error('sent')),
  }
  await t.resolves(applyMap(silent, name, rowsOf(300), rowsOf(300)))
})

void t.test('replaceMap() removes a version that a killed process left behind', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await context.runtime.send(['prepare', 'map', name])
  await context.runtime.send(['add', 'map', '@1', name, 'left.test', '20001'])
  t.strictSame(await readMap(context.runtime, name), [], 'lookups do not use it')
  await replaceMap(context.runtime, name, rowsOf(3))
  t.match(
    parseMapList(await context.runtime.send(['show', 'map'])).find((map) => map.name === name),
    { entries: 3, current: 2, prepared: 2 },
  )
})

void t.test('replaceMap() commits nothing when rows are missing', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  await replaceMap(context.runtime, name, rowsOf(2))
  const { send } = context.runtime
  const losing: Runtime = {
    ...context.runtime,
    send: (words, options) =>
      options?.payload === undefined ? send(words, options) : send(words, { ...options, payload: 'only.test 20001\n' }),
  }
  await t.rejects(replaceMap(losing, name, rowsOf(3)), { code: 'HAPROXY_READBACK_DIFFERS' })
  t.strictSame(sorted(await readMap(context.runtime, name)), sorted(rowsOf(2)))
  t.match(parseMapList(await send(['show', 'map']))[0], { entries: 2 })
})

function sorted(rows: readonly MapRow[]): readonly string[] {
  return rows.map(({ key, value }) => `${key} ${value}`).toSorted()
}
