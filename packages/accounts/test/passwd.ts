import fc from 'fast-check'
import t from 'tap'
import { parseGroup, parsePasswd, parseShadow } from '../src/passwd.ts'

void t.test('parsePasswd() reads accounts and ignores other lines', (t) => {
  const text = `root:x:0:0:root:/root:/bin/bash
# a comment
+nis:x:5:5:::
broken:x:1
:x:1:1:nobody's:/:/bin/sh
minus:x:-1:1::/:/bin/sh
huge:x:4294967296:1::/:/bin/sh
p10000:x:10000:10000:Puppy tenant:/home/p10000:/bin/bash`
  t.strictSame(parsePasswd(text), [
    { name: 'root', uid: 0, gid: 0, gecos: 'root', dir: '/root', shell: '/bin/bash' },
    { name: 'p10000', uid: 10_000, gid: 10_000, gecos: 'Puppy tenant', dir: '/home/p10000', shell: '/bin/bash' },
  ])
  t.end()
})

void t.test('parseGroup() reads members', (t) => {
  t.strictSame(parseGroup('puppy-tenants:x:9999:p10000,p10001\nempty:x:5:\nodd:x:6:,a,\nbad:x:y:\n'), [
    { name: 'puppy-tenants', gid: 9999, members: ['p10000', 'p10001'] },
    { name: 'empty', gid: 5, members: [] },
    { name: 'odd', gid: 6, members: ['a'] },
  ])
  t.end()
})

void t.test('parseShadow() returns locked and expire, and no hash', (t) => {
  const text = 'a:!*:20412::::::\nb:$y$secret:20412:0:99999:7:::\nc:*:1:::::1:\nd::1::::::\n'
  t.strictSame(parseShadow(text), [
    { name: 'a', locked: true },
    { name: 'b', locked: false },
    { name: 'c', locked: true, expire: 1 },
    { name: 'd', locked: false },
  ])
  t.end()
})

void t.test('the parsers accept any text', (t) => {
  const lines = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(':', 'x', '0', '\n', '9999999999', ',', '!')).map((a) => a.join('')),
  )
  fc.assert(
    fc.property(lines, (text) => {
      for (const { uid, gid } of parsePasswd(text)) t.ok(uid >= 0 && uid <= 0xffff_ffff && gid >= 0)
      for (const { gid } of parseGroup(text)) t.ok(gid >= 0 && gid <= 0xffff_ffff)
      parseShadow(text)
    }),
  )
  t.end()
})
