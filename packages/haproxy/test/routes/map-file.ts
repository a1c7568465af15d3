import fc from 'fast-check'
import t from 'tap'
import { parseMapFile, renderMapFile, repairMapText, soundRows } from '../../src/routes/map-file.ts'

void t.test('parseMapFile() parses a file like HAProxy', async (t) => {
  t.strictSame(parseMapFile('# comment\n\n a.test   20001 \nb.test\t20002\nc.test\nd.test 1 2\n  # also\n'), [
    { key: 'a.test', value: '20001' },
    { key: 'b.test', value: '20002' },
    { key: 'c.test', value: '' },
    { key: 'd.test', value: '1 2' },
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
      t.ok(parseMapFile(text).every(({ key }) => key !== '' && !key.startsWith('#')))
    }),
  )
})

void t.test('soundRows() leaves out values that are no whole numbers', async (t) => {
  const values = ['20001', '', 'x', '1 2', '-1', '1.5', '99999999999']
  t.strictSame(soundRows(values.map((value) => ({ key: 'k', value }))), [{ key: 'k', value: '20001' }])
})

void t.test('repairMapText() does not change a text that HAProxy can load', async (t) => {
  t.equal(repairMapText(undefined), '')
  for (const text of ['', '# by hand\nb.test 20001\na.test 20001\n']) t.equal(repairMapText(text), undefined)
  t.equal(repairMapText('b.test 20001\na.test\nc.test x\n'), 'b.test 20001\n')
})
