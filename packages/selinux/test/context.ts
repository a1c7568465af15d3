import fc from 'fast-check'
import t from 'tap'
import { isIdentifier, parseContext, renderContext, sameContext } from '../src/context.ts'
import { SelinuxError } from '../src/errors.ts'

void t.test('parseContext() parses contexts of the kernel and of files', async (t) => {
  t.match(parseContext('system_u:object_r:etc_t:s0'), { user: 'system_u', role: 'object_r', type: 'etc_t' })
  t.equal(parseContext('a:b:c').range, undefined)
  for (const text of [
    'puppy_u:user_r:user_t:s0:c0,c1',
    'a_u:b_r:c_t',
    'unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023',
  ])
    t.equal(renderContext(parseContext(`${text}\0`)), text)
  t.equal(renderContext(parseContext('a:b:c:s0:c2,c1,c0-s0:c0.c2')), 'a:b:c:s0:c0.c2')
})

void t.test('parseContext() refuses an invalid text, and renderContext() an invalid name', async (t) => {
  for (const text of ['', 'a:b', 'a:b:c:', 'a:b:c:d', 'a b:c:d', 'a:b:c:s0\n', '?', 'unlabeled', ':::s0'])
    t.throws(() => parseContext(text), { code: 'SELINUX_INVALID' }, JSON.stringify(text))
  t.throws(() => renderContext({ user: 'a:b', role: 'c', type: 'd' }), { code: 'SELINUX_INVALID' })
  t.notOk(isIdentifier('x)'))
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom('a', ':', 's0', 'c1', '-', '\0')).map((a) => a.join('')),
      ),
      (text) => {
        try {
          const context = parseContext(text)
          return sameContext(parseContext(renderContext(context)), context)
        } catch (error) {
          return error instanceof SelinuxError && error.code === 'SELINUX_INVALID'
        }
      },
    ),
  )
})

void t.test('sameContext() compares levels as sets', async (t) => {
  const same = (one: string, other: string) => sameContext(parseContext(one), parseContext(other))
  t.ok(same('a:b:c:s0:c1,c2', 'a:b:c:s0:c1.c2-s0:c2,c1'))
  t.ok(same('a:b:c', 'a:b:c'))
  t.notOk(same('a:b:c', 'a:b:c:s0'))
  t.notOk(same('a:b:c:s0:c1', 'a:b:c:s0:c1-s0:c1,c2'))
  t.notOk(same('a:b:c:s0', 'a:b:d:s0'))
})
