import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { mountOf, readState, volumeFinder } from '../src/volume.ts'
import { parseMountinfo } from '@puppy/host/proc'
import { openFake } from './support/open.ts'
import { fixture } from './support/fixture.ts'

void t.test('volumeFinder() caches its result while mountinfo does not change', async (t) => {
  const { host, ran } = openFake({ fileSystem: 'xfs' })
  const find = volumeFinder(host, '/home/p1')
  t.match(await find(), { mount: { mountPoint: '/home', fileSystem: 'xfs' }, blockSize: 4096 })
  await find()
  t.strictSame(ran(), ['stat', 'stat'])
  const text = (await host.read('/proc/self/mountinfo')) ?? ''
  await host.replace('/proc/self/mountinfo', text.replace('46 28', '47 28'))
  t.match(await find(), { mount: { id: 47 } })
  t.equal(ran().length, 4)
  await host.replace('/proc/self/mountinfo', text.replace(/^46 .*\n/m, ''))
  await t.rejects(find(), { code: 'QUOTA_INVALID' }, 'after an unmount')
  await host.replace('/proc/self/mountinfo', '46 28 253:16 / /home rw - btrfs /dev/b rw\n')
  await t.rejects(find(), { code: 'QUOTA_UNSUPPORTED' })
})

void t.test('volumeFinder() and mountOf() report why they fail', async (t) => {
  const files = { '/proc/self/mountinfo': fixture('mountinfo') }
  const answering = (stdout: string, exitCode = 0) =>
    createFakeHost({ files, programs: { '/usr/bin/stat': () => ({ stdout, exitCode }) } })
  await t.rejects(volumeFinder(answering('33\n'), '/tmp')(), { code: 'QUOTA_UNSUPPORTED', message: /tmpfs/ })
  await t.rejects(volumeFinder(answering('', 1), '/nowhere')(), { code: 'QUOTA_INVALID' })
  await t.rejects(volumeFinder(answering('x\n'), '/home')(), { code: 'QUOTA_UNREADABLE' })
  await t.rejects(mountOf(answering('33\n'), '/x', [], {}), { code: 'QUOTA_INVALID' })
})

void t.test('readState() returns the state that xfs_quota prints', async (t) => {
  const { host } = openFake({ kinds: { project: 'off' } })
  const mount = parseMountinfo((await host.read('/proc/self/mountinfo')) ?? '').at(-1)
  if (mount === undefined) throw new Error('no mount')
  t.match(await readState(host, { mount, blockSize: 1024 }, {}), {
    format: 'ext4',
    bounds: { blockSize: 1024 },
    state: { user: { enforcing: true }, project: { accounting: false } },
  })
})

void t.test('volumeFinder() does not follow a path to another file system', async (t) => {
  const devices = ['65040', '65024']
  const files = { '/proc/self/mountinfo': fixture('mountinfo') }
  const stat = ({ args }: { readonly args: readonly string[] }) => ({
    stdout: args.includes('%d') ? `${devices.shift()}\n` : '4096\n',
  })
  const host = createFakeHost({ files, programs: { '/usr/bin/stat': stat } })
  const find = volumeFinder(host, '/home')
  t.match(await find(), { mount: { mountPoint: '/home' } })
  await host.replace('/proc/self/mountinfo', fixture('mountinfo').replaceAll(/^.* 254:16 .*\n/gm, ''))
  await t.rejects(find(), {
    code: 'QUOTA_MOVED',
    message: /was on \/dev\/vdb \(mounted on \/home\) and is now on \/dev\/vda \(mounted on \/\)/,
  })
})
