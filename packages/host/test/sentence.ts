import t from 'tap'
import { quoted, sentenceOf } from '../src/sentence.ts'

void t.test('sentenceOf() leaves out undefined reasons', async (t) => {
  t.equal(sentenceOf('read "/x"', []), 'Cannot read "/x"')
  t.equal(sentenceOf('read', [undefined, 'it is missing', undefined, 'make it']), 'Cannot read: it is missing; make it')
})

void t.test('quoted() escapes line feeds and cuts long text', async (t) => {
  t.equal(quoted('a\n"b'), String.raw`"a\n\"b"`)
  t.equal(quoted('\u001b\u009b\u2028\u007f'), String.raw`"\u001b\u009b\u2028\u007f"`)
  t.equal(quoted('x'.repeat(201)), `"${'x'.repeat(200)}…"`)
})
