import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parseStat } from '../../src/proc/index.ts'

interface Parts {
  readonly name?: string
  readonly state?: string
  readonly pid?: string
  readonly changes?: Readonly<Record<number, string>>
}

/** Field 5 is 5, field 28 is 28, and so on. */
function stat({ name = 'sleep', state = 'S', pid = '4242', changes = {} }: Parts = {}): string {
  const numbers = Array.from({ length: 49 }, (_, index) => changes[index + 4] ?? String(index + 4))
  return `${pid} (${name}) ${state} ${numbers.join(' ')}\n`
}

void t.test('parseStat() reads the fields by their numbers', async (t) => {
  t.strictSame(parseStat(stat()), {
    pid: 4242,
    name: 'sleep',
    state: 'S',
    parent: 4,
    threads: 20,
    started: 22,
    stackStart: 28n,
    alive: true,
  })
  t.equal(parseStat(stat({ changes: { 8: '-1', 28: '18446744073709551615' } }))?.stackStart, 2n ** 64n - 1n)
  t.equal(parseStat(stat({ state: 'Z', changes: { 20: '1' } }))?.alive, false)
  t.equal(parseStat(stat({ state: 'Z' }))?.alive, true, 'a zombie with threads')
  const own = parseStat(readFileSync('/proc/self/stat', 'utf8'))
  t.strictSame([own?.pid, own?.parent, own?.alive], [process.pid, process.ppid, true])
  const ticks = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 100
  t.ok(own !== undefined && own.started > 0 && own.started <= ticks + 100, 'it began before now')
})

void t.test('parseStat() accepts any process name', async (t) => {
  const names = [
    ') R 1',
    ') Z 1 (',
    'x) Z 1 2 3',
    '\n',
    ')\n(',
    ' (',
    ') ',
    '',
    '\r4 (a) R 1',
    ')) S 1 1 1 1 0 -1',
    '\uFFFD',
  ]
  for (const name of names) {
    const found = parseStat(stat({ name }))
    t.strictSame([found?.name, found?.state, found?.parent, found?.started], [name, 'S', 4, 22], JSON.stringify(name))
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 15 }), (name) => parseStat(stat({ name }))?.name === name),
  )
})

void t.test('parseStat() refuses incomplete and malformed text', async (t) => {
  const whole = stat()
  const others = [
    '',
    `x${whole}`,
    ` ${whole}`,
    `${whole}\n`,
    whole.replace('\n', '\r'),
    whole.replace(/ 52\n$/, '\n'),
    whole.replace('(', ''),
    whole.replace(')', ''),
    stat({ pid: '99999999999' }),
    stat({ pid: '-1' }),
    stat({ state: '' }),
    stat({ state: 'SS' }),
    stat({ changes: { 22: '9'.repeat(18) } }),
    stat({ changes: { 22: '-22' } }),
    stat({ changes: { 28: '-1' } }),
    stat({ changes: { 30: 'x' } }),
    stat({ changes: { 30: '' } }),
    stat({ changes: { 30: '1\t1' } }),
  ]
  for (const text of others) t.equal(parseStat(text), undefined, JSON.stringify(text))
  for (let end = 0; end < whole.length; end += 1)
    if (parseStat(whole.slice(0, end)) !== undefined) t.fail(`cut after ${end}`)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseStat(text) === undefined))
})
