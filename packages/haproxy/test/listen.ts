import fc from 'fast-check'
import t from 'tap'
import { parseListen, renderListen } from '../src/listen.ts'

const addresses: [text: string, ipv6: boolean, rendered: string | undefined][] = [
  [':80', true, ':::80 v4v6'],
  [':80', false, ':80'],
  ['127.0.0.1:8080', true, '127.0.0.1:8080'],
  ['0.0.0.0:80', true, '0.0.0.0:80'],
  ['[::1]:8080', true, '[::1]:8080'],
  ['[::]:80', true, '[::]:80 v6only'],
  ['80', true, undefined],
  [':0', true, undefined],
  [':65536', true, undefined],
  ['localhost:80', true, undefined],
  ['1.2.3:80', true, undefined],
  ['::1:80', true, undefined],
  ['[1.2.3.4]:80', true, undefined],
  [':80 ssl', true, undefined],
  [':80\nuser root', true, undefined],
  ['*:80', true, undefined],
]
for (const [text, ipv6, rendered] of addresses) {
  void t.test(`parseListen() of ${JSON.stringify(text)}, rendered ${ipv6 ? 'with' : 'without'} IPv6`, async (t) => {
    const parsed = parseListen(text)
    t.equal(parsed === undefined ? undefined : renderListen(parsed, ipv6), rendered)
  })
}

void t.test('parseListen() refuses any text that could add words to a bind line', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const parsed = parseListen(text)
      if (parsed !== undefined) t.match(renderListen(parsed, true), /^[0-9a-fA-F.:[\]]+( v4v6| v6only)?$/)
    }),
  )
})
