import t from 'tap'
import { parseMountinfo } from '../../src/proc/index.ts'
import { createFakeHost, renderFakeProcess } from '../../src/fake/index.ts'
import { endProcess } from '../../src/process.ts'
import { hostConforms } from '../support/host-conforms.ts'

void t.test('createFakeHost() conforms', async (t) => {
  const host = createFakeHost({
    files: { '/data/keep': '', ...renderFakeProcess({ pid: 42, uid: 1 }) },
    programs: { '/bin/cat': ({ input }) => ({ stdout: input }), '/bin/false': () => ({ exitCode: 1 }) },
  })
  await host.remove('/data/keep')
  await hostConforms(t, { host, folder: '/data', cat: '/bin/cat', no: '/bin/false', startProcess: async () => 42 })
  t.strictSame(host.signals, [
    { pid: 42, signal: 'SIGCONT' },
    { pid: 42, signal: 'SIGTERM' },
  ])
})

void t.test('createFakeHost() conforms when it is not live', async (t) => {
  const programs = {
    '/bin/cat': ({ input }: { input: string }) => ({ stdout: input }),
    '/bin/false': () => ({ exitCode: 1 }),
  }
  const host = createFakeHost({ files: { '/data/keep': '' }, programs, live: false })
  await host.remove('/data/keep')
  await hostConforms(t, { host, folder: '/data', cat: '/bin/cat', no: '/bin/false' })
})

void t.test('createFakeHost() calls onSignal() for a signal', async (t) => {
  const files = renderFakeProcess({ pid: 42, uid: 1 })
  const seen: unknown[] = []
  const host = createFakeHost({ files, onSignal: ({ pid, signal }) => void seen.push([pid, signal]) })
  const process = { pid: 42, started: 100 }
  t.equal(await endProcess(host, process, 'SIGKILL', { timeout: 5 }), false, 'it does not end')
  t.strictSame(seen, [[42, 'SIGKILL']])
  host.endProcess(42)
  t.equal(await endProcess(host, process, 'SIGKILL'), true)
  t.strictSame(await host.list('/proc'), [])
})

void t.test('createFakeHost() refuses programs that change the machine when it is not live', async (t) => {
  const host = createFakeHost({ live: false, programs: { '/bin/systemctl': () => ({}) } })
  await t.rejects(host.run(['/bin/systemctl', 'stop', 'x'], { touches: 'machine' }), { code: 'HOST_NOT_LIVE' })
})

void t.test('createFakeHost() records commands and lets programs change files', async (t) => {
  const host = createFakeHost({
    files: { '/etc/motd': 'a' },
    programs: {
      '/bin/write': async ({ args, host: machine }) => {
        await machine.replace('/etc/motd', args.join(' '))
        return {}
      },
    },
  })
  await host.run(['/bin/write', 'b', 'c'], { touches: 'files' })
  t.equal(await host.read('/etc/motd'), 'b c')
  t.strictSame(host.commands, [['/bin/write', 'b', 'c']])
  t.equal(host.program('write'), '/bin/write')
  t.equal(host.program('read'), undefined)
})

void t.test('createFakeHost() supports links', async (t) => {
  const host = createFakeHost({ links: { '/proc/7/fd/3': 'socket:[4711]' } })
  t.match(await host.status('/proc/7/fd/3'), { kind: 'link' })
  t.equal(await host.readLink('/proc/7/fd/3'), 'socket:[4711]')
  t.strictSame(await host.list('/proc/7/fd'), ['3'])
})

void t.test('createFakeHost() supports ask() and files that grow', async (t) => {
  const answers = { '/sys/fs/selinux/context': (asked: string) => (asked === 'known' ? 'yes' : undefined) }
  const host = createFakeHost({ answers, files: { '/var/log/a': 'one\n' } })
  t.equal(await host.ask('/sys/fs/selinux/context', 'known'), 'yes')
  await t.rejects(host.ask('/sys/fs/selinux/context', 'other'), {
    code: 'HOST_READ_FAILED',
    facts: { detail: 'EINVAL' },
  })
  const read = await host.readLines('/var/log/a')
  host.append('/var/log/a', 'two\n')
  t.strictSame(await host.readLines('/var/log/a', read?.place), {
    lines: ['two'],
    place: { ...read?.place, offset: 8 },
    restarted: false,
  })
  t.throws(() => host.append('/var/log/b', 'x'), { code: 'HOST_WRITE_FAILED' })
})

void t.test('createFakeHost() unmounts a mount and those below it, but no covered one', async (t) => {
  const line = (id: number, parent: number, path: string) => `${id} ${parent} 0:${id} / ${path} rw - tmpfs none rw\n`
  const text = line(1, 1, '/') + line(2, 1, '/a') + line(3, 2, '/a/b') + line(4, 2, '/a')
  const host = createFakeHost({ files: { '/proc/self/mountinfo': text } })
  const [, below, , above] = parseMountinfo(text)
  t.equal(await host.unmount(below!), false)
  t.equal(await host.unmount(above!), true)
  t.equal(await host.unmount(below!), true)
  t.equal(await host.unmount(below!), false)
  t.strictSame(host.unmounted, ['/a', '/a'])
  t.equal(await host.read('/proc/self/mountinfo'), line(1, 1, '/'))
  await t.rejects(createFakeHost({ live: false }).unmount(below!), { code: 'HOST_NOT_LIVE' })
})
