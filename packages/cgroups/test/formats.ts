import fc from 'fast-check'
import t from 'tap'
import {
  parseCount,
  parseFlatKeyed,
  parseLimit,
  parseNestedKeyed,
  parseNumbers,
  renderNumbers,
} from '../src/formats.ts'
import { fixture } from './support/fixtures.ts'

void t.test('parseFlatKeyed() parses files of the kernel', async (t) => {
  t.equal(parseFlatKeyed(fixture('cpu.stat') ?? '').get('usage_usec'), 1_913_062n)
  t.equal(parseFlatKeyed(fixture('memory.stat') ?? '').size, 60)
  t.strictSame(
    parseFlatKeyed('a 1\nb\n c 2\nd x\ne 18446744073709551615'),
    new Map([
      ['a', 1n],
      ['e', 2n ** 64n - 1n],
    ]),
  )
})

void t.test('parseNestedKeyed() parses the pairs of each line', async (t) => {
  t.strictSame(
    parseNestedKeyed('254:0 \n8:0 a=1 b= =c d e=2=3\n'),
    new Map([
      ['254:0', new Map()],
      [
        '8:0',
        new Map([
          ['a', '1'],
          ['e', '2=3'],
        ]),
      ],
    ]),
  )
})

void t.test('parseCount() and parseLimit() keep every digit, or return undefined', async (t) => {
  const rows = [
    ['0', 0n],
    ['18446744073709551615\n', 2n ** 64n - 1n],
    ['-5', 0n],
    ['', undefined],
    ['1.5', undefined],
    ['0x1', undefined],
    ['9'.repeat(21), undefined],
  ] as const
  for (const [text, expected] of rows) t.equal(parseCount(text), expected, JSON.stringify(text))
  t.equal(parseLimit('max\n'), 'max')
  t.equal(parseLimit('4096'), 4096)
  t.equal(parseLimit('9223372036854771712'), 'max')
  t.equal(parseLimit('maximum'), undefined)
})

void t.test('parseNumbers() parses the lists of cpuset(7)', async (t) => {
  const rows = [
    ['0-2,5', [0, 1, 2, 5]],
    ['5,0', [0, 5]],
    ['1,1', [1]],
    ['', []],
    ['1,', undefined],
    ['1 - 2', undefined],
    ['2-1', undefined],
    ['a', undefined],
    ['-1', undefined],
    ['1--2', undefined],
  ] as const
  for (const [text, expected] of rows) t.strictSame(parseNumbers(text), expected, JSON.stringify(text))
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(200)), (numbers) => {
      const sorted = numbers.toSorted((one, other) => one - other)
      return JSON.stringify(parseNumbers(renderNumbers(numbers))) === JSON.stringify(sorted)
    }),
  )
})

void t.test('the parsers accept any text', async () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('0', '-', '=', ' ', '\n', 'max', ',', ':') })),
      (text) => {
        for (const parse of [parseCount, parseFlatKeyed, parseLimit, parseNestedKeyed, parseNumbers]) parse(text)
      },
    ),
  )
})
