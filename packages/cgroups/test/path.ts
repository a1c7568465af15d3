import fc from 'fast-check'
import t from 'tap'
import { CgroupError } from '../src/errors.ts'
import { ancestorsOf, joinPath, parentOf, parseCgroupPath } from '../src/path.ts'

void t.test('parseCgroupPath() accepts paths below the root', async (t) => {
  for (const good of ['', 'a', 'a/b', 'user.slice/user-1.slice', 'a b', 'ä', 'cpu', 'x'.repeat(255)]) {
    t.equal(parseCgroupPath(good), good)
  }
})

void t.test('parseCgroupPath() refuses invalid paths', async (t) => {
  const bad = [
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    'a\0',
    'a\nb',
    'x'.repeat(256),
    'cpu.max',
    'a/cgroup.procs',
  ]
  for (const text of [...bad, `${'a/'.repeat(2000)}a`])
    t.throws(() => parseCgroupPath(text), { code: 'CGROUP_INVALID' }, text.slice(0, 9))
})

void t.test('parseCgroupPath() never accepts a path outside the tree, and throws only CgroupError', async () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', '\0', '\n', '-') }), (text) => {
      try {
        const path = parseCgroupPath(text)
        if (new URL(`x:/r/${path}`).pathname !== `/r/${path}`) throw new Error(`${path} leads elsewhere`)
      } catch (error) {
        if (!(error instanceof CgroupError)) throw error
      }
    }),
  )
})

void t.test('joinPath(), parentOf() and ancestorsOf() return paths of related groups', async (t) => {
  const path = parseCgroupPath('a/b/c')
  t.equal(joinPath(parseCgroupPath(''), 'a'), 'a')
  t.equal(joinPath(parseCgroupPath('a'), 'b'), 'a/b')
  t.equal(parentOf(path), 'a/b')
  t.equal(parentOf(parseCgroupPath('a')), '')
  t.equal(parentOf(parseCgroupPath('')), '')
  t.strictSame(ancestorsOf(path), ['', 'a', 'a/b'])
  t.strictSame(ancestorsOf(parseCgroupPath('')), [])
})
