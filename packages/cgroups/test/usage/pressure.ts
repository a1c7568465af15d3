import fc from 'fast-check'
import t from 'tap'
import { parsePressure } from '../../src/usage/pressure.ts'
import { fixture } from '../support/fixtures.ts'

void t.test('parsePressure() parses both lines, or only one', async (t) => {
  t.strictSame(parsePressure(fixture('cpu.pressure') ?? ''), {
    some: { avg10: 0.16, avg60: 0.07, avg300: 0.01, total: 62_374n },
    full: { avg10: 0.05, avg60: 0.02, avg300: 0, total: 35_718n },
  })
  t.strictSame(parsePressure('full avg10=100.00 avg60=1.00 avg300=0.00 total=18446744073709551615\nsome avg10=x'), {
    full: { avg10: 100, avg60: 1, avg300: 0, total: 2n ** 64n - 1n },
  })
  fc.assert(fc.property(fc.string(), (text) => Object.keys(parsePressure(text)).length === 0))
})
