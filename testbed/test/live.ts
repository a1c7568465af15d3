import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { quote } from '../src/live.ts'

void t.test('quote() passes any word through a shell unchanged', async (t) => {
  t.equal(quote('packages/api'), 'packages/api')
  const word = fc
    .string({ unit: 'binary' })
    .filter((text) => !text.includes('\0') && text !== '' && text.isWellFormed())
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 3 }), (words) => {
      const shown = execFileSync('/bin/sh', ['-c', `printf '%s\\001' ${words.map(quote).join(' ')}`], {
        encoding: 'utf8',
      })
      return shown === words.map((text) => `${text}\u0001`).join('')
    }),
    { numRuns: 30 },
  )
  t.end()
})
