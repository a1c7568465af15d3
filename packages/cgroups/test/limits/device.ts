import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { findDisk, namesDevices, readDevices, resolveDevices } from '../../src/limits/device.ts'
import { fixture } from '../support/fixtures.ts'

const files = {
  '/proc/self/mountinfo': `${fixture('mountinfo')}70 28 8:2 / /data\\040disk rw - ext4 /dev/sda2 rw\n`,
  '/sys/block/vda/dev': '254:0\n',
  '/sys/block/vdb/dev': '254:16\n',
  '/sys/block/sda/dev': '8:0\n',
  '/sys/block/sda/sda1/dev': '8:1\n',
  '/sys/block/sda/sda2/dev': '8:2\n',
}
const resolve = async (device: string) =>
  resolveDevices({ io: { max: [{ device }] } }, await readDevices(createFakeHost({ files }))).io?.max?.[0]?.device

void t.test('resolveDevices() returns the number of the whole disk', async (t) => {
  const rows = [
    ['/home', '254:16'],
    ['/home/x/y', '254:16'],
    ['/homes', '254:0'],
    ['/', '254:0'],
    ['/dev/vdb', '254:16'],
    ['/dev/sda2', '8:0'],
    ['8:1', '8:0'],
    ['/data disk/x', '8:0'],
  ] as const
  for (const [device, expected] of rows) t.equal(await resolve(device), expected, device)
})

void t.test('resolveDevices() refuses devices and paths that are not on a disk', async (t) => {
  for (const device of ['/tmp/x', '/dev/sdz', '9:9', 'home', '', '/proc']) {
    await t.rejects(resolve(device), { code: 'CGROUP_INVALID', facts: { value: device } }, device)
  }
  const twice = { io: { max: [{ device: '/home' }, { device: '254:16' }] } }
  const devices = await readDevices(createFakeHost({ files }))
  t.throws(() => resolveDevices(twice, devices), { message: /two entries/ })
  t.equal(await findDisk(createFakeHost({ files }), '/tmp/x'), undefined)
  t.equal(await findDisk(createFakeHost({ files }), '/home/x'), '254:16')
})

void t.test('namesDevices() returns false for limits without devices', async (t) => {
  const limits = { io: { weight: 5 } }
  t.equal(resolveDevices(limits, { disks: [], mounts: [] }), limits)
  for (const none of [limits, { io: { max: [] } }, {}, undefined, { io: { max: 'all' } }]) t.notOk(namesDevices(none))
  t.ok(namesDevices({ io: { max: [{ device: '/home' }] } }))
})
