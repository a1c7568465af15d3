import fc from 'fast-check'
import t from 'tap'
import { escapeUnit, slicePath, unescapeUnit, userSlice } from '../src/unit.ts'

void t.test('escapeUnit() returns the same as systemd-escape', async (t) => {
  // systemd-escape 'foo/bar baz-1' '.hidden' 'ä' 'a.b:c_d'
  t.equal(escapeUnit('foo/bar baz-1'), 'foo-bar\\x20baz\\x2d1')
  t.equal(escapeUnit('.hidden'), '\\x2ehidden')
  t.equal(escapeUnit('ä'), '\\xc3\\xa4')
  t.equal(escapeUnit('a.b:c_d'), 'a.b:c_d')
})

void t.test('unescapeUnit() reverts escapeUnit()', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => unescapeUnit(escapeUnit(text)) === text))
  t.throws(() => unescapeUnit('a\\b'), { code: 'CGROUP_INVALID' })
  t.equal(unescapeUnit('a\\x2db-ä'), 'a-b/ä')
})

void t.test('slicePath() adds a level at each dash', async (t) => {
  t.equal(slicePath('user-10001.slice'), 'user.slice/user-10001.slice')
  t.equal(slicePath('a-b-c.slice'), 'a.slice/a-b.slice/a-b-c.slice')
  t.equal(slicePath('system.slice'), 'system.slice')
  for (const bad of [
    '',
    '-.slice',
    'a',
    'a--b.slice',
    '-a.slice',
    'a-.slice',
    '../a.slice',
    'a/b.slice',
    'a b.slice',
    'a.slice\n',
  ]) {
    t.throws(() => slicePath(bad), { code: 'CGROUP_INVALID' }, JSON.stringify(bad))
  }
})

void t.test('userSlice() accepts only uids', async (t) => {
  t.equal(userSlice(0), 'user-0.slice')
  for (const bad of [-1, 1.5, Number.NaN, 2 ** 32]) t.throws(() => userSlice(bad), { code: 'CGROUP_INVALID' })
})
