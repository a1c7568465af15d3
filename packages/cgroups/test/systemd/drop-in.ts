import fc from 'fast-check'
import t from 'tap'
import { parseDropIn, renderDropIn } from '../../src/systemd/drop-in.ts'

void t.test('renderDropIn() renders limits and port rules', async (t) => {
  t.equal(
    renderDropIn({ pids: { max: 5 } }, { allow: [{ first: 20_001, last: 20_004 }, 80] }),
    '# Written by @puppy/cgroups, and again whenever it differs.\n[Slice]\nTasksMax=5\nSocketBindAllow=\nSocketBindDeny=\n' +
      'SocketBindAllow=20001-20004\nSocketBindAllow=80\nSocketBindDeny=1-32767\n',
  )
  t.match(renderDropIn({}), /\[Slice\]\n$/)
  for (const port of [0, -1, 1.5, 32_768, { first: 9, last: 8 }]) {
    t.throws(() => renderDropIn({}, { allow: [port] }), { code: 'CGROUP_INVALID' })
  }
})

void t.test('parseDropIn() parses drop-ins of systemctl set-property, and accepts any text', async (t) => {
  const theirs =
    '# This is a drop-in unit file extension, created via "systemctl set-property"\n# or an equivalent operation. Do not edit.\n[Slice]\nTasksMax=90\n'
  t.strictSame(parseDropIn(theirs), [{ property: 'TasksMax', value: '90' }])
  t.strictSame(parseDropIn(' A = b c \n;x=1\nIO\n1=2\nC='), [
    { property: 'A', value: 'b c' },
    { property: 'C', value: '' },
  ])
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseDropIn(text))))
})
