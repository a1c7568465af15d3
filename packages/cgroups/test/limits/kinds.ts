import fc from 'fast-check'
import t from 'tap'
import { faultOfValue, kinds, type LimitKindName } from '../../src/limits/kinds.ts'

void t.test('kinds parse the texts of the kernel and of systemd', async (t) => {
  const rows: readonly (readonly [LimitKindName, string, unknown])[] = [
    ['bytes', '4096\n', 4096],
    ['bytes', 'max\n', 'max'],
    ['bytes', '18446744073709551615', 'max'],
    ['bytes', '4k', undefined],
    ['cores', '50000 100000\n', 0.5],
    ['cores', 'max 100000', 'max'],
    ['cores', '50000', undefined],
    ['cores', '1 0', undefined],
    ['flag', '1\n', true],
    ['flag', '0', false],
    ['flag', '2', undefined],
    ['flag', 'valueOf', undefined],
    ['numbers', '3,0-1\n', '0-1,3'],
    ['numbers', '\n', ''],
    ['numbers', '1-', undefined],
    ['weight', '100\n', 100],
    ['weight', 'default 200\n8:0 300\n', 200],
    ['weight', '0', undefined],
    ['text', 'member\n', 'member'],
  ]
  for (const [kind, text, value] of rows) t.equal(kinds[kind].parse(text), value, `${kind} ${JSON.stringify(text)}`)
  const properties: readonly (readonly [LimitKindName, string, unknown])[] = [
    ['bytes', 'infinity', 'max'],
    ['cores', '', 'max'],
    ['cores', '150%', 1.5],
    ['cores', '1.5', undefined],
    ['flag', 'idle', true],
    ['flag', '100', false],
    ['weight', 'idle', undefined],
  ]
  for (const [kind, text, value] of properties) t.equal(kinds[kind].parseProperty(text), value, `${kind} ${text}`)
})

void t.test('faultOfValue() describes the valid values', async (t) => {
  const fault = (kind: LimitKindName, value: unknown) => faultOfValue(kinds[kind], value)
  t.equal(fault('weight', 1), undefined)
  t.equal(fault('weight', 'max'), 'must be a whole number from 1 to 10000')
  t.equal(fault('count', 0), 'must be a whole number from 1 to 9007199254740991, or max')
  t.equal(fault('cores', 0), 'must be a number above 0 and at most 10000, or max')
  t.equal(fault('flag', 1), 'must be true or false')
  t.equal(fault('numbers', ''), 'must be a list such as 0-2,5')
  t.equal(fault('cores', 'max'), undefined)
})

void t.test('kinds parse any text without throwing', async () => {
  for (const { parse, parseProperty } of Object.values(kinds)) {
    fc.assert(
      fc.property(fc.string(), (text) =>
        [parse(text), parseProperty(text)].every((value) =>
          ['undefined', 'number', 'boolean', 'string'].includes(typeof value),
        ),
      ),
    )
  }
})
