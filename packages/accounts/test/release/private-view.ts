import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { cannotMount, inMountNamespace } from '@puppy/host/testing'
import t from 'tap'
import { openView } from '../../src/release/private-view.ts'
import { scratch, whyNot } from '../support/scratch.ts'

void t.test('openView() maps paths there and back', (t) => {
  const host = createFakeHost({ programs: { '/usr/bin/unshare': () => ({}), '/usr/bin/mount': () => ({}) } })
  const view = openView(host, ['/home', '/var/tmp', '/dev/mqueue'])
  t.equal(view.inside('/home/p10000/a'), '/mnt/0/p10000/a')
  t.equal(view.inside('/var/tmp'), '/mnt/1')
  t.equal(view.outside('/mnt/1/a\nb'), '/var/tmp/a\nb')
  t.equal(view.outside('/mnt/2'), '/dev/mqueue')
  t.throws(() => view.inside('/homes/x'), RangeError)
  t.equal(openView(host, ['/mnt/homes']).inside('/mnt/homes/p10000'), '/media/0/p10000')
  t.end()
})

void t.test('openView() uses the files of a host that is only a folder as they are', async (t) => {
  const { host } = scratch(t, 0)
  const view = openView(host, ['/tmp'])
  t.equal(view.inside('/tmp/x'), host.path('/tmp/x'))
  t.equal(view.outside(host.path('/tmp/x')), '/tmp/x')
  t.equal(await view.run([['/bin/echo', 'hello'], ['/bin/false'], ['/bin/echo', 'again']], {}), 'hello\nagain\n')
})

const mounts = whyNot('unshare', 'mount') || cannotMount()

void t.test('the view shows what a mount hides, and removes its mount point', { skip: mounts }, async (t) => {
  const folder = t.testdir({ home: { p1: { hides: { secret: 'x' } }, other: {} } })
  const home = `${folder}/home`
  const source = new URL('../../src/release/private-view.ts', import.meta.url).href
  const script = `
    import { execFileSync } from 'node:child_process'
    import { existsSync, mkdirSync } from 'node:fs'
    import { createHost } from '@puppy/host'
    import { openView } from '${source}'
    execFileSync('mount', ['-t', 'tmpfs', 'none', '${home}/p1/hides'])
    const odd = Buffer.concat([Buffer.from('${home}/p1/'), Buffer.from([0xff, 0xfe])])
    mkdirSync(odd)
    execFileSync('sh', ['-c', 'cd "$1" && for name in *; do test "$name" = hides || mount -t tmpfs none "$name"; done', 'sh', '${home}/p1'])
    const view = openView(createHost(), ['${home}'])
    const listed = (await view.run([['/bin/false'], ['/usr/bin/find', view.inside('${home}'), '-name', 'secret']], {})).trim()
    const before = existsSync('${home}/p1/hides/secret')
    await view.run([['/bin/rm', '-rf', '--one-file-system', view.inside('${home}/p1')]], {})
    console.log(JSON.stringify({ listed: view.outside(listed), before, left: existsSync('${home}/p1') }))`
  t.strictSame(inMountNamespace(script), { listed: `${home}/p1/hides/secret`, before: false, left: false })
})

void t.test('the view reports that it cannot be made', { skip: mounts }, async (t) => {
  const view = openView(createHost(), ['/no/such/folder'])
  await t.rejects(view.run([['/bin/true']], {}), { code: 'HOST_PROGRAM_FAILED', message: /cannot be searched/ })
})

void t.test('the view reports a program that fails', { skip: mounts }, async (t) => {
  const view = openView(createHost(), [t.testdir()])
  await t.rejects(view.run([['/bin/sh', '-c', 'exit 2'], ['/bin/true']], {}), { code: 'HOST_PROGRAM_FAILED' })
})
