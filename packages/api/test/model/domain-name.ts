import fc from 'fast-check'
import t from 'tap'
import { ApiError } from '../../src/errors.ts'
import { registrableDomain } from '../../src/model/domain-name.ts'

const rows: readonly (readonly [title: string, name: string, expected: string])[] = [
  ['a registrable domain itself', 'example.com', 'example.com'],
  ['a name below one', 'www.blog.example.com', 'example.com'],
  ['a suffix of two labels', 'shop.example.co.uk', 'example.co.uk'],
  ['a private suffix, whose customers are separate', 'anna.github.io', 'anna.github.io'],
  ['another script in its xn-- form', 'www.xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['a suffix in its xn-- form', 'www.example.xn--p1ai', 'example.xn--p1ai'],
  ['a label of digits that is not the last', '123.example.com', 'example.com'],
  ['a label of one character', 'a.example.com', 'example.com'],
  ['a label of 63 characters', `${'a'.repeat(63)}.example.com`, 'example.com'],
  ['253 characters', `${'a.'.repeat(121)}example.com`, 'example.com'],
]
for (const [title, name, expected] of rows) {
  void t.test(`registrableDomain() accepts ${title}`, (t) => {
    t.equal(registrableDomain(name), expected)
    t.end()
  })
}

const refused: readonly (readonly [title: string, name: string, why: RegExp])[] = [
  ['an empty name', '', /labels/],
  ['upper case', 'Example.com', /lower case/],
  ['a trailing dot', 'example.com.', /labels/],
  ['a leading dot', '.example.com', /labels/],
  ['an empty label', 'www..example.com', /labels/],
  ['a label of 64 characters', `${'a'.repeat(64)}.example.com`, /labels/],
  ['254 characters', `b${'a.'.repeat(121)}example.com`, /253/],
  ['an underscore', '_dmarc.example.com', /labels/],
  ['a wildcard', '*.example.com', /labels/],
  ['a hyphen at the start', '-a.example.com', /labels/],
  ['a hyphen at the end', 'a-.example.com', /labels/],
  ['a letter outside ASCII', 'bücher.example', /labels/],
  ['a port', 'example.com:80', /labels/],
  ['a newline at the end', 'example.com\n', /labels/],
  ['a space', 'example .com', /labels/],
  ['an address of IPv4', '192.0.2.1', /address/],
  ['an address of IPv6', '2001:db8::1', /labels/],
  ['a last label of digits', 'example.123', /address/],
  ['one label', 'localhost', /suffix/],
  ['a public suffix', 'com', /suffix/],
  ['a public suffix of two labels', 'co.uk', /suffix/],
  ['a private suffix', 'github.io', /suffix/],
  ['a public suffix in its xn-- form', 'xn--55qx5d.cn', /suffix/],
]
for (const [title, name, why] of refused) {
  void t.test(`registrableDomain() refuses ${title}`, (t) => {
    t.throws(() => registrableDomain(name), { name: 'ApiError', code: 'domain_invalid', message: why })
    t.end()
  })
}

void t.test('registrableDomain() throws only domain_invalid', (t) => {
  const near = fc.string({ unit: fc.constantFrom('a', 'Z', '0', '-', '.', '_', 'ü', '\n', ' ', 'com'), maxLength: 80 })
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (name) => {
      try {
        const domain = registrableDomain(name)
        return name === domain || name.endsWith(`.${domain}`)
      } catch (error) {
        return error instanceof ApiError && error.code === 'domain_invalid'
      }
    }),
  )
  t.end()
})

void t.test('registrableDomain() returns the same domain for all names below it', (t) => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
  fc.assert(
    fc.property(label, label, fc.constantFrom('com', 'co.uk', 'org', 'github.io'), (below, own, suffix) => {
      const domain = `zz-${own}.${suffix}`
      return registrableDomain(`${below}.${domain}`) === domain && registrableDomain(domain) === domain
    }),
  )
  t.end()
})
