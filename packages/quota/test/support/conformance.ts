import type { Test } from 'tap'
import type { Quota, QuotaKind, QuotaSpec } from '../../src/index.ts'

/** A file system with quota, real or fake. The ids from `first` have no limits on it. */
export interface Subject {
  open(kind: QuotaKind): Quota
  readonly first: number
  /** Sets limits as another program would: soft and hard KiB, soft and hard inodes. */
  meddle(kind: QuotaKind, id: number, limits: readonly [number, number, number, number]): Promise<void>
}

const KiB = 1024
const MiB = 1024 * KiB
const none = { soft: 'none', hard: 'none' } as const

export async function quotaConforms(t: Test, { open, first, meddle }: Subject): Promise<void> {
  for (const kind of ['user', 'group', 'project'] as const) {
    const quota = open(kind)
    const probe = await quota.probe()
    t.match(probe, { works: true, bounds: { blockSize: 4096 }, kinds: { [kind]: { enforcing: true } } })
    const [one, two, three] = [first, first + 1, first + 2]
    const read = async (...ids: readonly number[]) =>
      (await quota.report(ids)).map(({ bytes, inodes }) => [bytes.soft, bytes.hard, inodes.soft, inodes.hard])
    t.strictSame(await read(one), [['none', 'none', 'none', 'none']], `${kind}: no limits at first`)

    const spec: readonly QuotaSpec[] = [
      { id: one, bytes: { soft: 8 * MiB, hard: 10 * MiB }, inodes: { soft: 90, hard: 100 } },
      { id: two, bytes: { hard: 5 * 1024 ** 4 } },
      { id: three, bytes: { hard: 1 }, inodes: { hard: 5_000_000_000 } },
    ]
    const changeSet = quota.plan(spec, await quota.read(spec))
    t.match(changeSet.changes[0], { target: `${kind} ${one}`, from: { bytes: none, inodes: none } })
    t.strictSame(await read(one), [['none', 'none', 'none', 'none']], 'plan() changes nothing')
    const applied = await quota.apply(changeSet)
    t.strictSame(
      applied.results.map(({ id, changed, error }) => [id, changed, error?.message]),
      [one, two, three].map((id) => [id, true, undefined]),
    )
    t.strictSame(await read(three, one, two), [
      ['none', 4096, 'none', 5_000_000_000],
      [8 * MiB, 10 * MiB, 90, 100],
      ['none', 5 * 1024 ** 4, 'none', 'none'],
    ])
    t.strictSame(
      await quota.ensure(spec),
      {
        changed: false,
        changes: [],
        results: [one, two, three].map((id) => ({ target: `${kind} ${id}`, id, changed: false })),
      },
      'idempotent',
    )
    t.match((await quota.report()).filter(({ id }) => id >= one && id <= three).length, 3)

    await quota.ensure([
      { id: one, inodes: { hard: 200 } },
      { id: two, bytes: { hard: 'none' } },
    ])
    t.strictSame(
      await read(one, two),
      [
        [8 * MiB, 10 * MiB, 90, 200],
        ['none', 'none', 'none', 'none'],
      ],
      'an absent limit does not change, and none removes a limit',
    )
    await meddle(kind, two, [3, 5, 0, 0])
    const [kept] = await read(two)
    await quota.ensure([{ id: two, inodes: { hard: 7 } }])
    t.strictSame(
      await read(two),
      [[kept?.[0], kept?.[1], 'none', 7]],
      'limits that another program set do not change either',
    )

    const bad: readonly QuotaSpec[] = [
      { id: one, bytes: { soft: 20 * MiB } },
      { id: 0, bytes: { hard: MiB } },
      { id: 2 ** 32, bytes: { hard: MiB } },
      { id: three, bytes: { hard: 2 * MiB } },
    ]
    const nothing = await quota.ensure(bad, { atomic: true })
    t.equal(nothing.changed, false)
    t.strictSame(
      nothing.results.flatMap(({ id, error }) => (error === undefined ? [] : [id])).toSorted((a, b) => a - b),
      bad.map(({ id }) => id).toSorted((a, b) => a - b),
      'atomic: every item has an error',
    )
    t.strictSame(await read(three), [['none', 4096, 'none', 5_000_000_000]])
    const some = await quota.ensure(bad)
    t.strictSame(
      some.results.map(({ id, error }) => [id, error?.code]),
      [
        [three, undefined],
        [one, 'QUOTA_INVALID'],
        [0, 'QUOTA_INVALID'],
        [2 ** 32, 'QUOTA_INVALID'],
      ],
      'an invalid item does not affect the others',
    )
    t.strictSame(await read(three), [['none', 2 * MiB, 'none', 5_000_000_000]])

    t.match(await quota.setGrace({ bytes: 3601 }), { changed: true, grace: { bytes: 3601, inodes: 604_800 } })
    t.match(await quota.setGrace({ bytes: 3601 }), { changed: false })
    t.match((await quota.probe()).kinds?.[kind].grace, { bytes: 3601, inodes: 604_800 })
    await quota.setGrace({ bytes: 604_800 })

    const lift = [one, two, three].map((id) => ({ id, bytes: none, inodes: none }))
    t.equal((await quota.ensure(lift)).changed, true)
    t.strictSame(
      (await quota.report()).filter(({ id }) => id >= one && id <= three),
      [],
      'without limits, no reading is left',
    )
    t.strictSame(await quota.ensure([]), { changed: false, changes: [], results: [] })
  }
  const quota = open('user')
  await t.rejects(quota.report([-1]), { code: 'QUOTA_INVALID' })
  await t.rejects(quota.setGrace({ bytes: 0 }), { code: 'QUOTA_INVALID' })
  await t.rejects(quota.report([], { signal: AbortSignal.abort() }), { code: 'HOST_ABORTED' })
}
