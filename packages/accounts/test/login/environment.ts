import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { parseEnvironment, renderEnvironment } from '../../src/login/environment.ts'

const values = fc.stringMatching(/^[A-Za-z0-9_@%+=:,./-]{0,20}$/)
const environments = fc.dictionary(fc.stringMatching(/^T_[A-Za-z0-9_]{0,10}$/), values, { maxKeys: 8 })

void t.test('renderEnvironment() sorts by name and parseEnvironment() reads it back', (t) => {
  t.equal(renderEnvironment({ PORT: '10240', HOST: '127.0.0.1' }), 'HOST=127.0.0.1\nPORT=10240\n')
  t.equal(renderEnvironment({}), '')
  fc.assert(
    fc.property(environments, (environment) => {
      t.strictSame(parseEnvironment(renderEnvironment(environment)), { ...environment })
    }),
  )
  t.end()
})

void t.test('renderEnvironment() renders what a POSIX shell reads back', (t) => {
  const file = `${t.testdir()}/env`
  const one = { T_A: 'a=b:c,d', T_B: '@%+./-_', T_C: '', T_D: '/x/~'.replace('~', '') }
  writeFileSync(file, renderEnvironment(one))
  const script = `set -a; . ${file}; exec env`
  const seen = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8', env: {} }).split('\n')
  t.strictSame(seen.filter((line) => line.startsWith('T_')).toSorted(), [
    'T_A=a=b:c,d',
    'T_B=@%+./-_',
    'T_C=',
    'T_D=/x/',
  ])
  t.end()
})

for (const [what, environment] of [
  ['a name with a space', { 'A B': '1' }],
  ['a name with a line break', { 'A\nB': '1' }],
  ['a name that begins with a digit', { '1A': '1' }],
  ['an empty name', { '': '1' }],
  ['PATH', { PATH: '/tmp' }],
  ['LD_PRELOAD', { LD_PRELOAD: '/tmp/x.so' }],
  ['BASH_ENV', { BASH_ENV: '/tmp/x' }],
  ['a line break', { A: '1\nB=2' }],
  ['a quote', { A: "it's" }],
  ['a dollar', { A: '$HOME' }],
  ['a backquote', { A: '`id`' }],
  ['a blank', { A: 'a b' }],
  ['a NUL', { A: 'a\0' }],
  ['a tilde', { A: '~root' }],
] as const) {
  void t.test(`renderEnvironment() refuses ${what}`, (t) => {
    t.throws(() => renderEnvironment(environment), { code: 'ACCOUNT_ENVIRONMENT_INVALID' })
    t.end()
  })
}

void t.test('renderEnvironment() refuses more than 16 KiB, and its messages contain no value', (t) => {
  t.throws(() => renderEnvironment({ A: 'x'.repeat(16_384) }), { message: /16 KiB/ })
  t.throws(() => renderEnvironment({ A: 'hunter 2' }), { message: /^(?!.*hunter)/ })
  t.end()
})

void t.test('parseEnvironment() accepts any text', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => typeof parseEnvironment(text) === 'object'))
  t.end()
})
