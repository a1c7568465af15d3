import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openFiles } from '../src/files.ts'

/** Creates a host whose policy specifies this context for the file of iptables. */
function machine(context: string, selinux = true) {
  return createFakeHost({
    files: selinux ? { '/sys/fs/selinux/enforce': '1' } : {},
    programs: { '/usr/sbin/matchpathcon': () => ({ stdout: `${context}\n` }), '/usr/bin/chcon': () => ({}) },
  })
}

void t.test('write() creates a file that only root can read and returns its path', async (t) => {
  const host = machine('', false)
  const files = openFiles(host, '/run/x')
  t.equal(await files.write('a.json', '{}'), '/run/x/a.json')
  t.match(await host.status('/run/x'), { mode: 0o700 })
  t.match(await host.status('/run/x/a.json'), { mode: 0o600 })
  t.strictSame(host.commands, [], 'without SELinux no program runs')
  await files.remove('a.json')
  t.strictSame(await host.list('/run/x'), [])
})

void t.test('write() sets the context of the policy on each file and reads it once', async (t) => {
  const host = machine('system_u:object_r:iptables_runtime_t:s0')
  const files = openFiles(host, '/run/x')
  for (const name of ['a', 'b']) await files.write(name, '{}')
  t.strictSame(
    host.commands.map((command) => command.slice(1)),
    [
      ['-n', '/run/xtables.lock'],
      ['--no-dereference', '--', 'system_u:object_r:iptables_runtime_t:s0', '/run/x/a'],
      ['--no-dereference', '--', 'system_u:object_r:iptables_runtime_t:s0', '/run/x/b'],
    ],
  )
})

void t.test('write() sets no context when the policy specifies none', async (t) => {
  for (const context of ['<<none>>', '', 'a b:c:d', 'nonsense']) {
    const host = machine(context)
    await openFiles(host, '/run/x').write('a', '{}')
    t.equal(host.commands.length, 1, context)
  }
})
