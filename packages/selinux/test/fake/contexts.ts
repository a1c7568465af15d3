import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { parseContext } from '../../src/context.ts'
import { fakeContexts } from '../../src/fake/contexts.ts'
import { pairAt } from '../../src/level.ts'
import { readContexts } from '../../src/read-contexts.ts'
import { relabel } from '../../src/relabel.ts'

void t.test('fakeContexts() changes contexts only below the path', async (t) => {
  const { contextOf, programs } = fakeContexts()
  const files = { '/sys/fs/selinux/enforce': '1', '/home/a/b/c': '', '/home/ab': '' }
  const host = createFakeHost({ files, programs })
  await relabel(host, { path: '/home/a', user: 'x_u', level: pairAt(3), uid: 1 })
  t.equal(contextOf('/home/a/b/c'), 'x_u:object_r:user_home_t:s0:c0,c3')
  t.match(contextOf('/home/ab'), /^system_u:/)
  t.strictSame(await readContexts(host, ['/home/ab', '/none', '/home/a']), [
    { path: '/home/ab', context: parseContext('system_u:object_r:user_home_t:s0') },
    { path: '/home/a', context: parseContext('x_u:object_r:user_home_t:s0:c0,c3') },
  ])
})
