import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openQuota } from '../src/index.ts'
import { fixture } from './support/fixture.ts'
import { openFake } from './support/open.ts'

void t.test('probe() says what is enforced, what only counted, and what turns it on', async (t) => {
  const { quota, open } = openFake({ kinds: { user: 'accounting', project: 'off' } })
  t.match(await quota.probe(), {
    works: false,
    format: 'ext4',
    error: { code: 'QUOTA_OFF' },
    steps: [/fstab/, 'quotaon -u /home'],
    kinds: { user: { accounting: true, enforcing: false }, group: { enforcing: true }, project: { accounting: false } },
    features: {
      user: { works: false, reason: /not enforced/, steps: [/fstab/, 'quotaon -u /home'] },
      project: { works: false, steps: ['umount /home', /^tune2fs/, /fstab/, 'mount /home'] },
    },
  })
  const groups = await open('group').probe()
  t.match(groups, { works: true, error: undefined })
  t.strictSame([groups.steps, groups.features.group], [[], { works: true, steps: [] }])
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
    error: { code: 'QUOTA_NOT_INSTALLED', message: /apt-get install quota/ },
    kinds: { user: { enforcing: true } },
    steps: ['apt-get install quota'],
    features: { user: { works: false } },
  })
  const aborted = await openFake().quota.probe({ signal: AbortSignal.abort() })
  t.match(aborted, { works: false, error: { code: 'QUOTA_REFUSED', cause: { code: 'HOST_ABORTED' } } })
})
