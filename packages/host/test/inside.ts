import { symlinkSync } from 'node:fs'
import t from 'tap'
import { assertInside } from '../src/inside.ts'

void t.test('assertInside() follows links, and accepts paths that do not exist yet', async (t) => {
  const folder = t.testdir({ root: { a: {} }, other: {}, rooted: {} })
  const root = `${folder}/root`
  symlinkSync('../other', `${root}/out`)
  symlinkSync('a', `${root}/in`)
  symlinkSync('../rooted', `${root}/near`)
  for (const path of ['x', 'a/x', 'in/x', 'a/b/c/x']) await assertInside(root, `${root}/${path}`)
  for (const path of ['out/x', 'out/b/c', 'near/x'])
    await t.rejects(assertInside(root, `${root}/${path}`), { code: 'HOST_PATH_OUTSIDE_ROOT' }, path)
  await assertInside('/', `${folder}/other/x`)
  t.pass('the machine itself has no outside')
})
