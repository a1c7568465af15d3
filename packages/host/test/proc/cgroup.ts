import fc from 'fast-check'
import t from 'tap'
import { parseCgroup } from '../../src/proc/index.ts'

const rows: readonly (readonly [text: string, path: string | undefined, removed?: boolean])[] = [
  ['0::/user.slice/user-1000.slice/session-1.scope\n', 'user.slice/user-1000.slice/session-1.scope'],
  ['0::/\n', ''],
  ['0::/a b/c:d\n', 'a b/c:d'],
  ['0::/user.slice/user-1000.slice (deleted)\n', 'user.slice/user-1000.slice', true],
  ['0::/user.slice/x (deleted)/y\n', 'user.slice/x (deleted)/y'],
  ['9:name=systemd:/\n2:cpu,cpuacct:/x\n0::/y\n', 'y'],
  ['1:name=x:/a\r0::/b\n0::/c\n', 'c'],
  ['0::/a\r0::/b\n', 'a\r0::/b'],
  ['0::/\uFFFD\u2028\n', '\uFFFD\u2028'],
  ['9:name=systemd:/a\n', undefined],
  ['0::/..\n', undefined],
  ['0::/../../x\n', undefined],
  ['0::/x..y/..z\n', 'x..y/..z'],
  ['0::/cut', undefined],
  ['0::cut\n', undefined],
  [' 0::/x\n', undefined],
  ['', undefined],
]

void t.test('parseCgroup() finds the group of cgroup v2', async (t) => {
  for (const [text, path, removed = false] of rows)
    t.strictSame(parseCgroup(text), path === undefined ? undefined : { path, removed }, encodeURIComponent(text))
})

void t.test('parseCgroup() accepts any text', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseCgroup(text) === undefined))
})
