import { CgroupError, type Cgroups } from '@puppy/cgroups'
import t from 'tap'
import { endSlices } from '../../src/cgroups/end-slices.ts'

const { signal } = new AbortController()

/** Slices in which processes run, and how ending each of them fails. */
function tree(slices: Readonly<Record<number, Error | undefined>>) {
  const killed: string[] = []
  const uidOf = (path: string) => Number(/user-(\d+)\.slice$/.exec(path)?.[1])
  const groups: Pick<Cgroups, 'exists' | 'state' | 'kill'> = {
    exists: (path) => uidOf(path) in slices,
    state: () => ({ populated: true, frozen: false }),
    kill: async (path) => {
      killed.push(path)
      const error = slices[uidOf(path)]
      if (error !== undefined) throw error
    },
  }
  return { groups, killed }
}

void t.test('endSlices() ends the slices of all uids, and no failure stops the others', async (t) => {
  const facts = { operation: 'kill all processes of', target: 'x' }
  const { groups, killed } = tree({
    10_000: undefined,
    10_001: new CgroupError('CGROUP_TIMEOUT', { ...facts, detail: 'it hangs' }),
    10_002: new CgroupError('CGROUP_GONE', facts),
    10_003: new TypeError('a bug'),
    10_005: undefined,
  })
  const left = await endSlices(groups, [10_001, 10_002, 10_003, 10_004, 10_005], signal)
  t.strictSame(killed, [
    'user.slice/user-10001.slice',
    'user.slice/user-10002.slice',
    'user.slice/user-10003.slice',
    'user.slice/user-10005.slice',
  ])
  t.strictSame([...left.keys()], [10_001, 10_003])
  t.match(left.get(10_001), /it hangs/)
})

void t.test('endSlices() throws the reason of its signal', async (t) => {
  const reason = new Error('stopped')
  const { groups } = tree({ 10_000: new Error('any') })
  await t.rejects(endSlices(groups, [10_000], AbortSignal.abort(reason)), reason)
})
