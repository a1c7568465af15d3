import fc from 'fast-check'
import { connect } from 'node:net'
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
  type RunningRow,
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
  t.strictSame(parseMapRows('0x55f7 a.test 10 240'), [{ key: 'a.test', value: '10 240', reference: '#0x55f7' }])
  t.strictSame(parseMapRows(''), [])
  t.strictSame(parseMapRows('0x1  x 5\n0x2 a\u2028\tb\r 7\n0x3 bare'), [
    { key: '', value: 'x 5', reference: '#0x1' },
    { key: 'a\u2028\tb\r', value: '7', reference: '#0x2' },
    { key: 'bare', value: '', reference: '#0x3' },
  ])
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
      const seen = before.map((one, n) => ({ ...one, reference: `#0x${n}` }))
      const plan = planMap(after, seen)
      const left = seen.filter((one) => !plan.remove.includes(one.key) && !plan.remove.includes(one.reference))
      const set = left.map((one) => plan.set.find((other) => other.key === one.key) ?? one)
      t.strictSame(sorted([...set, ...plan.add]), sorted(after))
      t.strictSame(planMap(before, seen), { add: [], set: [], remove: [] }, 'a spec with doubled keys is kept')
    }),
  )
})

/** Commands that add a row which no map file or no command can name, as bytes. */
const foreign: readonly (readonly [string, string])[] = [
  ['a key with a tab', 'add map hosts.map x\\\ty 5'],
  ['a key with a space', 'add map hosts.map x\\ y 5'],
  ['a longer form of our key', 'add map hosts.map good.test\\ x 5'],
  ['a key that begins a payload', 'add map hosts.map <<\na<<b 5\n'],
  ['a key that is not UTF-8', 'add map hosts.map b\xFCcher.test 5'],
  ['two keys that are not UTF-8', 'add map hosts.map <<\nb\xFCcher 5\nb\xFDcher 5\n'],
  ['a byte order mark', 'add map hosts.map \xEF\xBB\xBFgood.test 5'],
  ['a no-break space', 'add map hosts.map x\xC2\xA0y 5'],
  ['a form feed', 'add map hosts.map x\fy 5'],
  ['a vertical tab', 'add map hosts.map <<\nx\vy 5\n'],
  ['a control character', 'add map hosts.map <<\nx\x01y 5\n'],
  ['quotes and a backslash', 'add map hosts.map <<\nx"\'\\y 5\n'],
  ['a comment', 'add map hosts.map #x 5'],
  ['a long key', `add map hosts.map ${'k'.repeat(9000)} 5`],
  ['our key twice', 'add map hosts.map good.test 5'],
  ['another value', 'set map hosts.map good.test 5'],
]

void t.test('applyMap() removes every row of another program, and keeps those of the spec', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const wanted = [
    { key: 'good.test', value: '20001' },
    { key: 'other.test', value: '20002' },
  ]
  await applyMap(context.runtime, name, wanted, [])
  for (const [title, command] of foreign) {
    await sendBytes(context.files.socket, `${command}\n`)
    const seen = await readMap(context.runtime, name)
    t.notSame(sorted(seen), sorted(wanted), `${title}: the row is there`)
    await applyMap(context.runtime, name, wanted, seen)
    t.strictSame(sorted(await readMap(context.runtime, name)), sorted(wanted), title)
  }
})

/** Sends bytes to the runtime socket and waits until HAProxy closes the connection. */
function sendBytes(path: string, bytes: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(Buffer.from(bytes, 'latin1')))
    socket.resume().once('close', resolve).once('error', reject)
  })
}

void t.test('applyMap() changes rows one by one or all at once, and readMap() returns them', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  let seen: readonly RunningRow[] = []
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
  t.strictSame(sorted(await readMap(context.runtime, name)), sorted(wanted))
})

void t.test('applyMap() sends nothing when the rows are equal', async (t) => {
  const silent: Runtime = {
    send: () => Promise.reject(new Error('sent')),
    sendMany: () => Promise.reject(new Error('sent')),
  }
  const seen = rowsOf(300).map((row, n) => ({ ...row, reference: `#0x${n}` }))
  await t.resolves(applyMap(silent, name, rowsOf(300), seen))
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
