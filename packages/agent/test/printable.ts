import t from 'tap'
import { printable } from '../src/printable.ts'

void t.test('printable() replaces control characters and line breaks', async (t) => {
  t.equal(printable('node: app'), 'node: app')
  t.equal(printable('a\u001b[2J\nb\u202e\u0000'), 'a?[2J?b??')
})
