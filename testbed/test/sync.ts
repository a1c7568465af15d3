import t from 'tap'
import { linkedDependencies } from '../src/sync.ts'

void t.test('linkedDependencies() names the links between packages, and nothing of pnpm itself', async (t) => {
  const checkout = t.testdir({
    packages: {
      a: { node_modules: { '@puppy': { host: t.fixture('symlink', '../../../host') }, execa: '', '.bin': { x: '' } } },
      host: {},
    },
    testbed: { node_modules: { execa: '' } },
  })
  t.strictSame(linkedDependencies(checkout), [
    'packages/a/node_modules/@puppy/host',
    'packages/a/node_modules/execa',
    'testbed/node_modules/execa',
  ])
})
