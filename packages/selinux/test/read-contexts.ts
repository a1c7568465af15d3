import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { parseContext } from '../src/context.ts'
import { readContexts } from '../src/read-contexts.ts'

void t.test('readContexts() keeps the order and leaves out missing files', async (t) => {
  const host = createFakeHost({
    programs: {
      '/usr/bin/find': ({ input }) => {
        t.equal(input, '/b\0/a\0/gone\0/odd\0')
        return { stdout: 'a_u:b_r:c_t:s0:c1\0/a\0x_u:b_r:c_t:s0\0/b\0?\0/odd\0', exitCode: 1 }
      },
    },
  })
  t.strictSame(await readContexts(host, ['/b', '/a', '/gone', '/odd']), [
    { path: '/b', context: parseContext('x_u:b_r:c_t:s0') },
    { path: '/a', context: parseContext('a_u:b_r:c_t:s0:c1') },
    { path: '/odd' },
  ])
  t.strictSame(await readContexts(host, []), [])
  await t.rejects(readContexts(host, ['a']), TypeError)
})
