/** Sets the limits of many ids on a path. Prints a line just before, and the test kills it then. */
import { createHost } from '@puppy/host'
import { openQuota } from '../../src/index.ts'

const [path = '', first = '', count = '', hard = ''] = process.argv.slice(2)
const quota = openQuota(createHost(), path)
const spec = Array.from({ length: Number(count) }, (_, n) => ({
  id: Number(first) + n,
  bytes: { hard: Number(hard) },
}))
const changeSet = quota.plan(spec, await quota.read(spec))
process.stdout.write('now\n')
await quota.apply(changeSet)
