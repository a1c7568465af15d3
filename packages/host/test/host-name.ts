import fc from 'fast-check'
import t from 'tap'
import { hostNameFault } from '../src/host-name.ts'

const names: readonly (readonly [name: string, fault?: RegExp])[] = [
  ['blog.example.com'],
  ['xn--bcher-kva.example'],
  ['localhost'],
  ['1.example'],
  [`${'a'.repeat(63)}.example`],
  [`${'a'.repeat(64)}.example`, /labels/],
  [`${'a.'.repeat(126)}a`],
  [`${'a.'.repeat(127)}a`, /253/],
  ['', /labels/],
  ['Blog.example.com', /lower case/],
  ['blog.example.com.', /labels/],
  ['.example.com', /labels/],
  ['a..b', /labels/],
  ['-a.example', /labels/],
  ['a-.example', /labels/],
  ['a_b.example', /labels/],
  ['*.example.com', /labels/],
  ['a.example:80', /labels/],
  ['a b.example', /labels/],
  ['#a.example', /labels/],
  ['a.example\n', /labels/],
  ['a.example\r', /labels/],
  ['a.example\0', /labels/],
  ['bücher.example', /xn--/],
  ['ſ.example', /xn--/],
  ['127.0.0.1', /address/],
  ['1', /address/],
  ['[::1]', /labels/],
]
for (const [name, fault] of names) {
  const title = encodeURIComponent(name.slice(0, 80))
  void t.test(`hostNameFault() ${fault === undefined ? 'accepts' : 'refuses'} ${title}`, async (t) => {
    if (fault === undefined) t.equal(hostNameFault(name), undefined)
    else t.match(hostNameFault(name), fault)
  })
}

void t.test('hostNameFault() accepts only names that are safe in a map, a header and a command', async (t) => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_.-]{0,70}$/)
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(label, { maxLength: 5 }).map((all) => all.join('.')),
  )
  let taken = 0
  fc.assert(
    fc.property(text, (name) => {
      if (hostNameFault(name) !== undefined) return true
      taken += 1
      return /^[a-z0-9.-]{1,253}$/.test(name) && name.split('.').every((part) => /^[a-z0-9].{0,62}$/.test(part))
    }),
    { numRuns: 2000 },
  )
  t.ok(taken > 0, `${taken} names were accepted`)
})
