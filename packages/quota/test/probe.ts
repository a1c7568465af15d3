import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openQuota } from '../src/index.ts'
import type { KindProbe } from '../src/probe.ts'
import { fixture } from './support/fixture.ts'
import { openFake } from './support/open.ts'

void t.test('probe() says what is enforced, what only counted, and what turns it on', async (t) => {
  const { quota } = openFake({ kinds: { user: 'accounting', project: 'off' } })
  const { works, format, kinds } = await quota.probe()
  t.strictSame([works, format], [false, 'ext4'])
  const told = ({ accounting, enforcing, error, steps }: KindProbe) => [accounting, enforcing, error?.code, steps]
  t.matchOnlyStrict(
    Object.entries(kinds ?? {}).map(([kind, probed]) => [kind, ...told(probed)]),
    [
      ['user', true, false, 'QUOTA_OFF', [/fstab/, 'quotaon -u /home']],
      ['group', true, true, undefined, []],
      ['project', false, false, 'QUOTA_OFF', ['umount /home', /^tune2fs/, /fstab/, 'mount /home']],
    ],
  )
  t.match(await openFake({ fileSystem: 'xfs' }).quota.probe(), { works: true, format: 'xfs' })
})

void t.test('probe() does not throw what it can say', async (t) => {
  const files = { '/proc/self/mountinfo': fixture('mountinfo') }
  const stat = (device: string) => ({ '/usr/bin/stat': () => ({ stdout: `${device}\n` }) })
  const probe = (programs = {}, path = '/home') => openQuota(createFakeHost({ files, programs }), path).probe()
  t.match(await probe(), { works: false, error: { code: 'QUOTA_NOT_INSTALLED' } })
  t.match(await probe(stat('33')), { error: { code: 'QUOTA_UNSUPPORTED' }, mount: { fileSystem: 'tmpfs' } })
  t.match(await probe(stat('65040')), { error: { code: 'QUOTA_NOT_INSTALLED', message: /xfsprogs/ } })
  const state = { '/usr/sbin/xfs_quota': () => ({ stdout: fixture('ext4-state.txt') }) }
  t.match(await probe({ ...stat('65040'), ...state }), {
    works: false,
    error: { code: 'QUOTA_NOT_INSTALLED', message: /install the package quota/ },
    kinds: { user: { enforcing: true } },
  })
})
