import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { fakeLabels } from '../../src/fake/labels.ts'
import { readLabels, relabel } from '../../src/labels.ts'
import { pairAt } from '../../src/level.ts'

void t.test('fakeLabels() are changed below a path, and nowhere else', async (t) => {
  const { labelOf, programs } = fakeLabels()
  const files = { '/sys/fs/selinux/enforce': '1', '/home/a/b/c': '', '/home/ab': '' }
  const host = createFakeHost({ files, programs })
  await relabel(host, { path: '/home/a', user: 'x_u', level: pairAt(3), uid: 1 })
  t.equal(labelOf('/home/a/b/c'), 'x_u:object_r:user_home_t:s0:c0,c3')
  t.match(labelOf('/home/ab'), /^system_u:/)
  const labels = await readLabels(host, ['/home/ab', '/none', '/home/a'])
  t.strictSame(
    labels.map(({ path, context }) => [path, context?.user]),
    [
      ['/home/ab', 'system_u'],
      ['/home/a', 'x_u'],
    ],
  )
})
