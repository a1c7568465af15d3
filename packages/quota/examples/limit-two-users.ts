// Limits two users of a file system, and lifts it again. Needs root; give it a folder of ext4 or XFS with user quota.
import { createHost } from '@puppy/host'
import { openQuota } from '@puppy/quota'

const [path = '/home', ...uids] = process.argv.slice(2)
const ids = (uids.length === 0 ? ['10000', '10001'] : uids).map(Number)
const quota = openQuota(createHost(), path) // users; { kind: 'project' } limits folders
const { works, error } = await quota.probe()
if (!works) throw error
const limits = { bytes: { soft: 900 * 2 ** 20, hard: 2 ** 30 }, inodes: { soft: 90_000, hard: 100_000 } }
const spec = ids.map((id) => ({ id, ...limits }))
const changeSet = quota.plan(spec, await quota.read(spec))
for (const { command } of changeSet.changes) console.log(command) // what apply does, as commands
const { results } = await quota.apply(changeSet)
for (const { target, error: refused } of results) console.log(target, refused?.message ?? 'is limited')
for (const { id, bytes } of await quota.report(ids)) console.log(id, bytes.used, 'of', bytes.hard, bytes.status)
const none = { soft: 'none', hard: 'none' } as const
await quota.ensure(ids.map((id) => ({ id, bytes: none, inodes: none })))
