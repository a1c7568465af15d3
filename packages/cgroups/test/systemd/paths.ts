import t from 'tap'
import { dropInPath, notePath, oldLinksPath } from '../../src/systemd/paths.ts'

void t.test('dropInPath(), notePath() and oldLinksPath() return paths', async (t) => {
  t.equal(dropInPath('a.slice'), '/etc/systemd/system/a.slice.d/50-puppy.conf')
  t.equal(dropInPath('a.slice', { name: '60-x' }), '/etc/systemd/system/a.slice.d/60-x.conf')
  t.equal(notePath(), '/run/puppy-cgroups/unfinished')
  t.equal(notePath({ runFolder: '/run/x' }), '/run/x/unfinished')
  t.equal(oldLinksPath({ runFolder: '/run/x' }), '/run/x/old-port-rules')
})
