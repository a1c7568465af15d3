/** Sets limits of a crowd on a path, and says so just before; whoever started us kills us then. */
import { createHost } from '@puppy/host'
import { openQuota } from '../../src/index.ts'

const [path = '', first = '', count = '', hard = ''] = process.argv.slice(2)
const quota = openQuota(createHost(), path)
const wanted = Array.from({ length: Number(count) }, (_, n) => ({
  id: Number(first) + n,
  bytes: { hard: Number(hard) },
}))
const plan = await quota.plan('user', wanted)
process.stdout.write('now\n')
await quota.apply(plan)
