import t from 'tap'
import { linkedDependencies } from '../src/sync.ts'

void t.test('linkedDependencies() returns the links between packages, without the files of pnpm', async (t) => {
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
