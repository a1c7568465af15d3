import fc from 'fast-check'
import t from 'tap'
import { findDomainFault } from '../src/domain.ts'

const names: [name: string, plain: boolean][] = [
  ['blog.example.com', true],
  ['xn--bcher-kva.example', true],
  ['localhost', true],
  ['1.example', true],
  [`${'a'.repeat(63)}.example`, true],
  [`${'a'.repeat(64)}.example`, false],
  [`${'a.'.repeat(126)}a`, true],
  [`${'a.'.repeat(127)}a`, false],
  ['', false],
  ['Blog.example.com', false],
  ['blog.example.com.', false],
  ['.example.com', false],
  ['a..b', false],
  ['-a.example', false],
  ['a-.example', false],
  ['a_b.example', false],
  ['*.example.com', false],
  ['a.example:80', false],
  ['a b.example', false],
  ['#a.example', false],
  ['a.example\n', false],
  ['bücher.example', false],
  ['127.0.0.1', false],
  ['[::1]', false],
]
for (const [name, plain] of names) {
  void t.test(`findDomainFault() ${plain ? 'takes' : 'refuses'} ${JSON.stringify(name.slice(0, 80))}`, async (t) => {
    t.equal(findDomainFault(name) === undefined, plain)
  })
}

void t.test('findDomainFault() takes nothing that a map, a header or a command could mistake', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (findDomainFault(text) === undefined) t.match(text, /^[a-z0-9.-]{1,253}$/)
    }),
    { numRuns: 2000 },
  )
})
