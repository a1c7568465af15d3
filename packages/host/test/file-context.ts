import { existsSync } from 'node:fs'
import t from 'tap'
import { createFakeHost, type FakeProgram } from '../src/fake/index.ts'
import {
  copyContext,
  createHost,
  hasSelinux,
  isContext,
  readContexts,
  readPolicyContexts,
  setContext,
} from '../src/index.ts'

const on = { '/sys/fs/selinux/enforce': '1' }

function hostWith(programs: Readonly<Record<string, FakeProgram>>, live = true) {
  return createFakeHost({ files: on, programs, live })
}

void t.test('hasSelinux() checks selinuxfs on a live host', async (t) => {
  t.equal(await hasSelinux(createFakeHost({ files: on })), true)
  t.equal(await hasSelinux(createFakeHost()), false)
  t.equal(await hasSelinux(createFakeHost({ files: on, live: false })), false)
  t.equal(await hasSelinux(createHost()), existsSync('/sys/fs/selinux/enforce'))
})

void t.test('isContext() accepts only the form of a context', async (t) => {
  for (const text of ['system_u:object_r:etc_t:s0', 'a:b:c', 'u:r:t:s0-s0:c0.c1023', 'u:r:t:s0:c1,c2'])
    t.equal(isContext(text), true, text)
  for (const text of ['', '<<none>>', 'a:b', 'a::c', 'a:b:c ', 'a:b:c:', 'a:b:c\n', 'a:b:c:s0\nx:y:z', '-R'])
    t.equal(isContext(text), false, encodeURIComponent(text))
})

void t.test('readPolicyContexts() reads all paths in one run, and returns undefined without a context', async (t) => {
  const stdout = 'system_u:object_r:etc_t:s0\n<<none>>\n'
  const host = hostWith({ '/usr/sbin/matchpathcon': () => ({ stdout }) })
  t.strictSame(await readPolicyContexts(host, ['/a', '/b', '/c']), ['system_u:object_r:etc_t:s0', undefined, undefined])
  t.strictSame(host.commands, [['/usr/sbin/matchpathcon', '-n', '/a', '/b', '/c']])
  t.strictSame(await readPolicyContexts(host, []), [])
  t.strictSame(await readPolicyContexts(hostWith({}), ['/a']), [undefined], 'it is not installed')
  const off = createFakeHost({ programs: { '/usr/sbin/matchpathcon': () => ({ stdout }) } })
  t.strictSame(await readPolicyContexts(off, ['/a']), [undefined], 'SELinux is off')
  t.strictSame(off.commands, [])
  for (const path of ['a', '-n', '/a\0']) await t.rejects(readPolicyContexts(host, [path]), TypeError)
})

void t.test('setContext() and copyContext() change many files per run, and nothing without SELinux', async (t) => {
  const host = hostWith({ '/usr/bin/chcon': () => ({}) })
  await setContext(host, 'a:b:c:s0', ['/x', '/-R'])
  await copyContext(host, '/model', ['/x'])
  await setContext(host, 'a:b:c:s0', [])
  t.strictSame(host.commands, [
    ['/usr/bin/chcon', '--no-dereference', '--', 'a:b:c:s0', '/x', '/-R'],
    ['/usr/bin/chcon', '--no-dereference', '--reference=/model', '--', '/x'],
  ])
  const many = hostWith({ '/usr/bin/chcon': () => ({}) })
  await setContext(many, 'a:b:c', Array.from({ length: 450 }, (_, n) => `/${n}`)) // prettier-ignore
  t.strictSame(many.commands.map((words) => words.length - 4), [200, 200, 50]) // prettier-ignore
  await t.rejects(setContext(host, '--reference=/etc/shadow', ['/x']), TypeError)
  await t.rejects(setContext(host, 'a:b:c', ['x']), TypeError)
  await t.rejects(setContext(hostWith({}), 'a:b:c', ['/x']), {
    code: 'HOST_PROGRAM_NOT_FOUND',
    message: 'Cannot find the program chcon: it is not installed; to enable it: apt-get install coreutils',
  })
  await setContext(createFakeHost(), 'a:b:c', ['/x'])
  await copyContext(hostWith({}, false), '/model', ['/x'])
})

void t.test('readContexts() parses the output of find(1), and leaves out missing files', async (t) => {
  const find: FakeProgram = ({ input }) => ({
    exitCode: 1,
    stdout: input === '/a\0/b\nc\0/d\0' ? 'u:r:t:s0\0/a\0\0/b\nc\0' : '',
  })
  const host = hostWith({ '/usr/bin/find': find })
  t.strictSame([...(await readContexts(host, ['/a', '/b\nc', '/d']))], [['/a', 'u:r:t:s0'], ['/b\nc', '']]) // prettier-ignore
  t.equal((await readContexts(host, [])).size, 0)
  const root = t.testdir({ 'a b': '', 'new\nline': '' })
  const real = await readContexts(createHost({ root }), ['/a b', '/new\nline', '/none'])
  t.strictSame([...real.keys()], ['/a b', '/new\nline'], 'the real find')
})
