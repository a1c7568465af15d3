import { matchWhole } from '@puppy/host/testing'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openQuota } from '../src/index.ts'
import { fixture } from './support/fixture.ts'
import { openFake } from './support/open.ts'

void t.test('probe() reports which kinds are enforced or only counted, and the steps that turn them on', async (t) => {
  const { quota, open } = openFake({ kinds: { user: 'accounting', project: 'off' } })
  const { works, format, error, steps, kinds, features } = await quota.probe()
  t.strictSame([works, format, error?.code], [false, 'ext4', 'QUOTA_OFF'])
  t.matchOnlyStrict(steps, [/fstab/, 'quotaon -u /home'])
  t.strictSame(
    Object.entries(kinds ?? {}).map(([kind, { accounting, enforcing }]) => [kind, accounting, enforcing]),
    [
      ['user', true, false],
      ['group', true, true],
      ['project', false, false],
    ],
  )
  t.matchOnlyStrict(
    Object.entries(features).map(([kind, feature]) => [kind, feature.works, feature.reason, feature.steps]),
    [
      ['user', false, /not enforced/, [/fstab/, 'quotaon -u /home']],
      ['group', true, undefined, []],
      ['project', false, /is off/, ['umount /home', /^tune2fs/, /fstab/, 'mount /home']],
    ],
  )
  const groups = await open('group').probe()
  t.strictSame([groups.works, groups.error, groups.steps], [true, undefined, []])
  t.match(await openFake({ fileSystem: 'xfs' }).quota.probe(), { works: true, format: 'xfs' })
})

void t.test('probe() returns errors and does not throw them', async (t) => {
  const files = { '/proc/self/mountinfo': fixture('mountinfo') }
  const stat = (device: string) => ({ '/usr/bin/stat': () => ({ stdout: `${device}\n` }) })
  const probe = (programs = {}, path = '/home') => openQuota(createFakeHost({ files, programs }), path).probe()
  t.match(await probe(), { works: false, error: { code: 'QUOTA_NOT_INSTALLED' } })
  t.match(await probe(stat('33')), { error: { code: 'QUOTA_UNSUPPORTED' }, mount: { fileSystem: 'tmpfs' } })
  t.match(await probe(stat('65040')), { error: { code: 'QUOTA_NOT_INSTALLED', message: /xfsprogs/ } })
  const state = { '/usr/sbin/xfs_quota': () => ({ stdout: fixture('ext4-state.txt') }) }
  matchWhole(t, await probe({ ...stat('65040'), ...state }), {
    works: false,
    error: { code: 'QUOTA_NOT_INSTALLED', message: /apt-get install quota/ },
    kinds: { user: { enforcing: true } },
    steps: ['apt-get install quota'],
    features: { user: { works: false } },
  })
  const aborted = await openFake().quota.probe({ signal: AbortSignal.abort() })
  t.match(aborted, { works: false, error: { code: 'QUOTA_REFUSED', cause: { code: 'HOST_ABORTED' } } })
})
