import fc from 'fast-check'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { isHaproxyError } from '../../src/errors.ts'
import { parseMapFile, renderMapFile, repairMapText, soundRows, type MapName } from '../../src/routes/map-file.ts'
import { readMap } from '../../src/runtime/maps.ts'
import { openRuntime } from '../../src/runtime/socket.ts'
import { skip, testFolder } from '../support/proxy.ts'

void t.test('parseMapFile() parses a file like HAProxy', async (t) => {
  t.strictSame(parseMapFile('# comment\n\n a.test   20001 \nb.test\t20002\nc.test\nd.test 1 2\n  # no comment\n'), [
    { key: 'a.test', value: '20001' },
    { key: 'b.test', value: '20002' },
    { key: 'c.test', value: '' },
    { key: 'd.test', value: '1 2' },
    { key: '#', value: 'no comment' },
  ])
})

void t.test('renderMapFile() sorts, so that the same rows have the same bytes', async (t) => {
  const rows = [
    { key: 'b.test', value: '2' },
    { key: 'a.test', value: '1' },
  ]
  t.equal(renderMapFile(rows), 'a.test 1\nb.test 2\n')
  t.equal(renderMapFile(rows), renderMapFile(rows.toReversed()))
  t.equal(renderMapFile([]), '')
})

void t.test('parseMapFile() returns what renderMapFile() rendered', async (t) => {
  const words = { key: fc.stringMatching(/^[a-z0-9.-]{1,20}$/), value: fc.nat().map(String) }
  const row = fc.record(words, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.uniqueArray(row, { selector: ({ key }) => key }), (rows) => {
      const read = parseMapFile(renderMapFile(rows))
      t.strictSame(
        read,
        rows.toSorted((one, other) => (one.key < other.key ? -1 : 1)),
      )
    }),
  )
})

void t.test('parseMapFile() never throws', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.ok(parseMapFile(text).every(({ key }) => /^[^ \t\r\n\0]+$/.test(key)))
    }),
  )
})

void t.test('soundRows() leaves out numbers and keys that a map cannot contain', async (t) => {
  const values = ['20001', '', 'x', '1 2', '-1', '1.5', '99999999999']
  const rows = values.map((value) => ({ key: 'k', value }))
  t.strictSame(soundRows('hosts', rows), [{ key: 'k', value: '20001' }])
  const keys = ['k', '#k', 'a<<b', 'b\u00FCcher', '\uFEFFk', 'k\v', 'k'.repeat(1001), '', '7', '0x5', '1:5', '-1']
  const keysOf = (map: MapName) =>
    soundRows(
      map,
      keys.map((key) => ({ key, value: '1' })),
    ).map(({ key }) => key)
  t.strictSame(keysOf('hosts'), ['k', '7', '0x5', '1:5', '-1'])
  t.strictSame(keysOf('suspended'), ['7'])
})

void t.test('repairMapText() does not change a text that HAProxy can load', async (t) => {
  t.equal(repairMapText('hosts', undefined), '')
  for (const text of ['', '# by hand\nb.test 20001\na.test 20001\n']) t.equal(repairMapText('hosts', text), undefined)
  t.equal(repairMapText('hosts', 'b.test 20001\na.test\nc.test x\n'), 'b.test 20001\n')
  t.equal(repairMapText('suspended', '0x5 1\n7 1\n'), '7 1\n')
})

/** Lines of a map file, as bytes. Each is a file of its own, between two rows. */
const lines: readonly string[] = [
  'x 1',
  ' \tx\t1\t ',
  'x 1\r',
  'x 1\ry 2',
  'x\r1',
  '\rx 1',
  'x\f1',
  '\fx 1',
  'x\v1',
  '\v',
  '\xC2\xA0x 1',
  'x\xC2\xA01',
  '\xEF\xBB\xBFx 1',
  'x\xE2\x80\xA81',
  'x\xC2\x851',
  'x 1 # not a comment',
  ' # x 1',
  '#x 1',
  'x\u00001 2',
  'x 1\u00002',
  '\u0000x 1',
  'x',
  'x ',
  '',
  ' ',
  'x 1  2',
  'x"y\'z\\ 1',
]

void t.test('parseMapFile() returns the rows that HAProxy loads', { skip }, async (t) => {
  for (const line of lines) {
    const bytes = Buffer.from(`first 1\n${line}\nlast 1\n`, 'latin1')
    const rows = parseMapFile(bytes.toString('utf8'))
    t.strictSame(
      rows.map(({ key, value }) => [key, value]),
      await loadMap(t, bytes),
      JSON.stringify(line),
    )
  }
})

/** Starts a HAProxy with a map of texts. Returns its rows, in the order of the file. */
async function loadMap(t: Test, bytes: Buffer): Promise<readonly (readonly [string, string])[]> {
  const folder = testFolder(t)
  writeFileSync(`${folder}/x.map`, bytes)
  const config = `global
  stats socket ${folder}/s level admin
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend f
  bind unix@${folder}/f
  http-request set-var(txn.x) str(a),map_str(${folder}/x.map)
`
  writeFileSync(`${folder}/c`, config)
  const child = spawn('haproxy', ['-db', '-f', `${folder}/c`], { stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  try {
    const runtime = openRuntime(`${folder}/s`)
    for (let turn = 0; ; turn++) {
      const rows = await readMap(runtime, `${folder}/x.map`).catch((error: unknown) => {
        if (turn === 200 || !isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) throw error
      })
      if (rows !== undefined) return rows.map(({ key, value }) => [key, value])
      await sleep(25)
    }
  } finally {
    child.kill()
    await ended
  }
}
