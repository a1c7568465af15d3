// Limits two users of a file system, and lifts it again. Needs root; give it a folder of ext4 or XFS with user quota.
import { createHost } from '@puppy/host'
import { openQuota } from '@puppy/quota'

const [path = '/home', ...uids] = process.argv.slice(2)
const ids = (uids.length === 0 ? ['10000', '10001'] : uids).map(Number)
const quota = openQuota(createHost(), path)
const { works, error, kinds } = await quota.probe()
if (!works) throw error ?? kinds?.user.error
const limits = { bytes: { soft: 900 * 2 ** 20, hard: 2 ** 30 }, inodes: { soft: 90_000, hard: 100_000 } }
const { results } = await quota.set(
  'user',
  ids.map((id) => ({ id, ...limits })),
)
for (const { id, error: refused } of results) console.log(id, refused?.message ?? 'is limited')
for (const { id, bytes } of await quota.read('user', ids)) console.log(id, bytes.used, 'of', bytes.hard, bytes.status)
const none = { soft: 'none', hard: 'none' } as const
await quota.set(
  'user',
  ids.map((id) => ({ id, bytes: none, inodes: none })),
)
