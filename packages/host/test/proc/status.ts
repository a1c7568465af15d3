import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parseStatus } from '../../src/proc/index.ts'
import { isAlive } from '../../src/proc/status.ts'

interface Parts {
  readonly name?: string
  readonly state?: string
  readonly threads?: string
  readonly uids?: string
  readonly pid?: string
}

function status({ name = 'sleep', state = 'S (sleeping)', threads = '1', uids, pid = '42' }: Parts = {}): string {
  const ids = uids ?? '10000\t0\t0\t5'
  return `Name:\t${name}\nUmask:\t0022\nState:\t${state}\nTgid:\t42\nPid:\t${pid}\nPPid:\t1\nUid:\t${ids}\nGid:\t1\t2\t3\t4\nGroups:\t \nVmPeak:\t    5000 kB\nThreads:\t${threads}\n`
}

void t.test('parseStatus() reads a process', async (t) => {
  t.strictSame(parseStatus(status()), {
    pid: 42,
    parent: 1,
    name: 'sleep',
    state: 'S',
    threads: 1,
    uid: 10_000,
    uids: [10_000, 0, 0, 5],
    gids: [1, 2, 3, 4],
    alive: true,
  })
  t.equal(parseStatus(status({ uids: '4294967295\t0\t0\t0' }))?.uid, 4_294_967_295)
  const own = parseStatus(readFileSync('/proc/self/status', 'utf8'))
  t.strictSame([own?.pid, own?.parent, own?.uid], [process.pid, process.ppid, process.getuid?.()])
})

void t.test('parseStatus() treats a zombie as dead unless it has threads', async (t) => {
  for (const state of ['Z (zombie)', 'X (dead)', 'x (dead)'])
    t.strictSame(
      [parseStatus(status({ state }))?.alive, parseStatus(status({ state, threads: '3' }))?.alive],
      [false, true],
    )
  for (const state of ['S (sleeping)', 'T (stopped)', 't (tracing stop)', 'D (disk sleep)', 'I (idle)'])
    t.equal(parseStatus(status({ state }))?.alive, true, state)
  t.equal(isAlive('Z', 1), false)
})

void t.test('parseStatus() does not read fields from the process name', async (t) => {
  // As the kernel writes them: only the line feed and the backslash are escaped.
  const names: readonly (readonly [written: string, name: string])[] = [
    ['\rUid:\t0\t0\t0\t0\rState:\tZ', '\rUid:\t0\t0\t0\t0\rState:\tZ'],
    ['x\u2028Uid:\t0\t0\t0\t0', 'x\u2028Uid:\t0\t0\t0\t0'],
    [String.raw`\nUid:\t0`, '\nUid:\\t0'],
    [String.raw`a\\nb\\`, String.raw`a\nb` + '\\'],
    ['', ''],
    [') R 1 (', ') R 1 ('],
    ['\uFFFD\u007F\u0001', '\uFFFD\u007F\u0001'],
  ]
  for (const [written, name] of names) {
    const found = parseStatus(status({ name: written }))
    t.strictSame([found?.name, found?.uid, found?.state], [name, 10_000, 'S'], encodeURIComponent(written))
  }
})

void t.test('parseStatus() refuses incomplete and malformed text', async (t) => {
  const whole = status()
  const others = [
    '',
    whole.slice(1),
    `\n${whole}`,
    `${whole}Uid:\t0\t0\t0\t0\n`,
    `${whole}State:\tZ (zombie)\n`,
    whole.replaceAll('\n', '\r'),
    whole.replace('Name:\tsleep\n', ''),
    ...['Pid', 'PPid', 'Threads', 'Uid', 'Gid', 'State'].map((key) => whole.replace(`\n${key}:`, '\nOther:')),
    status({ uids: '1\t2\t3' }),
    status({ uids: '1\t2\t3\t4\t5' }),
    status({ uids: '1\t2\t3\t' }),
    status({ uids: '1\t2\t3\t-4' }),
    status({ uids: '1 2 3 4' }),
    status({ uids: '4294967296\t2\t3\t4' }),
    status({ uids: `${'9'.repeat(40)}\t2\t3\t4` }),
    status({ uids: '0x1\t2\t3\t4' }),
    status({ pid: '1e3' }),
    status({ pid: '' }),
    status({ state: '' }),
    status({ state: 'running' }),
    status({ threads: '1\0' }),
  ]
  for (const text of others) t.equal(parseStatus(text), undefined, JSON.stringify(text))
  for (let end = 0; end < whole.length; end += 1)
    if (parseStatus(whole.slice(0, end)) !== undefined) t.fail(`cut after ${end}`)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseStatus(text) === undefined))
})
