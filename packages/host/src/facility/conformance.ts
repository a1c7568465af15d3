import assert from 'node:assert/strict'
import { HostError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Change, ChangeSet, ItemResult } from './change.ts'
import { countedHost, createEffects, type Effects, type Fault } from './effects.ts'
import { FacilityError, isCausedBy } from './error.ts'
import type { Facility } from './facility.ts'

export type { Effects } from './effects.ts'

/** A facility in a world of its own, fake or real. */
export interface World<Spec, Observed, Planned extends ChangeSet<Change>, Result extends ItemResult> {
  /**
   * Opens the facility in this world. It is called again after each fault, as a process is that starts after a crash.
   * Everything that changes the world passes `effects`: a host wrapped by `withEffects`, and what does not go through a host, wrapped by
   * the world itself.
   */
  open(effects: Effects): Facility<Spec, Observed, Planned, Result>
  /** What the suite compares: everything that an effect could have changed, as plain data. */
  snapshot(): Promise<unknown>
  /** Puts the world back to what it was before the first effect. A fake may do so by being created again. */
  close(): Promise<void>
}

/** What the suite needs to know about a facility. */
export interface Subject<Spec, Observed, Planned extends ChangeSet<Change>, Result extends ItemResult> {
  /** A fresh world, where nothing of the spec is there yet. */
  createWorld(): Promise<World<Spec, Observed, Planned, Result>>
  /** A world in which the facility does not work, such as a host without its tool. */
  createBrokenWorld(): Promise<Pick<World<Spec, Observed, Planned, Result>, 'open' | 'close'>>
  /** At least two items, each of which can be. */
  readonly spec: Spec
  /** The targets of `spec`, in any order, as results name them. */
  readonly targets: readonly string[]
  /** `spec` and one more item that cannot be. Absent: the facility has no item that can be refused alone. */
  readonly spoiled?: { readonly spec: Spec; readonly target: string }
  /** Faults are injected at this many effects at the most, spread evenly. Default: at each. */
  readonly faults?: number
}

/** One check of the suite. It throws when the facility does not conform. */
export interface Check {
  readonly name: string
  run(): Promise<void>
}

/** Wraps a host for `World.open`: an injected fault is a `HostError` there, as every failure of a host is. */
export function withEffects(host: Host, effects: Effects): Host {
  return countedHost(
    host,
    effects,
    (what, cause) => new HostError('HOST_WRITE_FAILED', { operation: what, detail: cause.message, cause }),
  )
}

/**
 * Returns the checks that every facility passes, for any test runner: run each as a test of its own.
 *
 * @example
 * for (const { name, run } of facilityChecks(subject)) test(name, run)
 */
export function facilityChecks<Spec, Observed, Planned extends ChangeSet<Change>, Result extends ItemResult>(
  subject: Subject<Spec, Observed, Planned, Result>,
): readonly Check[] {
  type Opened = Facility<Spec, Observed, Planned, Result>
  const inWorld = async (
    use: (world: World<Spec, Observed, Planned, Result>, open: (fault?: Fault) => [Opened, Effects]) => Promise<void>,
  ) => {
    const world = await subject.createWorld()
    const open = (fault?: Fault): [Opened, Effects] => {
      const effects = createEffects(fault)
      return [world.open(effects), effects]
    }
    try {
      await use(world, open)
    } finally {
      await world.close()
    }
  }
  const { spec, targets, spoiled } = subject

  /** Plans in the world as it is. */
  const planNow = async (facility: Opened, wanted: Spec) => facility.plan(wanted, await facility.read(wanted))

  /** The facility opened again finds the spec true and changes nothing. */
  const assertConverged = async (world: World<Spec, Observed, Planned, Result>, wanted: Spec) => {
    const effects = createEffects()
    const facility = world.open(effects)
    assert.deepEqual(titles(await planNow(facility, wanted)), [], 'a change set after applying is empty')
    const before = await world.snapshot()
    const again = await facility.ensure(wanted)
    assert.equal(again.changed, false, 'a second ensure changes nothing')
    assert.deepEqual(titles(again), [], 'a second ensure reports no change')
    assert.deepEqual(written(effects), [], 'a second ensure writes nothing')
    assert.deepEqual(await world.snapshot(), before, 'a second ensure leaves the world as it was')
    return again
  }

  const checks: Check[] = [
    {
      name: 'probe() works, changes nothing and has no steps where the facility works',
      run: () =>
        inWorld(async (world, open) => {
          const before = await world.snapshot()
          const [facility, effects] = open()
          const probe = await facility.probe()
          assert.deepEqual([probe.works, probe.error?.message], [true, undefined])
          assert.equal(probe.error, undefined)
          assert.deepEqual(probe.steps, [])
          assert.deepEqual(written(effects), [])
          assert.deepEqual(await world.snapshot(), before)
        }),
    },
    {
      name: 'probe() returns an error with a code and steps where the facility does not work',
      run: async () => {
        const world = await subject.createBrokenWorld()
        try {
          const probe = await world.open(createEffects()).probe()
          assert.equal(probe.works, false)
          assertFacilityError(probe.error)
          assert.ok(Array.isArray(probe.steps))
        } finally {
          await world.close()
        }
      },
    },
    {
      name: 'read() and plan() change nothing, and plan() is pure',
      run: () =>
        inWorld(async (world, open) => {
          const before = await world.snapshot()
          const [facility, effects] = open()
          const observed = await facility.read(spec)
          const [copyOfSpec, copyOfObserved] = [structuredCloneLoosely(spec), structuredCloneLoosely(observed)]
          const [one, other] = [facility.plan(spec, observed), facility.plan(spec, observed)]
          assert.deepEqual(one, other, 'equal arguments have equal results')
          assert.deepEqual(spec, copyOfSpec, 'the spec is not changed')
          assert.deepEqual(observed, copyOfObserved, 'the observation is not changed')
          assert.notDeepEqual(titles(one), [], 'the suite needs a spec that differs from a fresh world')
          assert.deepEqual(written(effects), [])
          assert.deepEqual(await world.snapshot(), before)
        }),
    },
    {
      name: 'apply() performs the planned changes, has a result for each item, and a change set after it is empty',
      run: () =>
        inWorld(async (world, open) => {
          const [facility] = open()
          const changeSet = await planNow(facility, spec)
          const applied = await facility.apply(changeSet)
          assert.equal(applied.changed, true)
          assert.deepEqual(applied.changes, changeSet.changes, 'what was planned is what is applied')
          assertResults(applied.results, targets)
          assert.ok(
            applied.results.some(({ changed }) => changed),
            'a result says what changed',
          )
          const again = await assertConverged(world, spec)
          assertResults(again.results, targets)
          assert.ok(again.results.every(({ changed }) => !changed))
        }),
    },
    {
      name: 'ensure() applies what plan() says',
      run: async () => {
        const plans: unknown[] = []
        await inWorld(async (_world, open) => {
          const [facility] = open()
          plans.push((await planNow(facility, spec)).changes)
        })
        await inWorld(async (world, open) => {
          const [facility] = open()
          const applied = await facility.ensure(spec)
          assert.deepEqual(applied.changes, plans[0])
          await assertConverged(world, spec)
        })
      },
    },
    {
      name: 'an empty change set runs nothing and writes nothing',
      run: () =>
        inWorld(async (world, open) => {
          await open()[0].ensure(spec)
          const [facility, effects] = open()
          const before = await world.snapshot()
          const applied = await facility.apply(await planNow(facility, spec))
          assert.equal(applied.changed, false)
          assert.deepEqual(written(effects), [])
          assert.deepEqual(await world.snapshot(), before)
        }),
    },
    {
      name: 'an aborted apply() leaves the old state',
      run: () =>
        inWorld(async (world, open) => {
          const [facility, effects] = open()
          const changeSet = await planNow(facility, spec)
          const before = await world.snapshot()
          const signal = AbortSignal.abort(new Error('the caller gave up'))
          await assert.rejects(async () => facility.apply(changeSet, { signal }), 'apply() rejects when it is aborted')
          assert.deepEqual(written(effects), [], 'an aborted apply writes nothing')
          assert.deepEqual(await world.snapshot(), before)
          await facility.ensure(spec)
          await assertConverged(world, spec)
        }),
    },
    {
      name: 'apply() that fails at any effect reports that effect, and the next ensure() converges',
      run: () => eachFault('failure'),
    },
    {
      name: 'apply() that is killed at any effect is converged by the next process',
      run: () => eachFault('crash'),
    },
  ]
  if (spoiled !== undefined) {
    checks.push({
      name: 'an item that cannot be has an error of its own, and its neighbours go on',
      run: () =>
        inWorld(async (world, open) => {
          const [facility] = open()
          const changeSet = await planNow(facility, spoiled.spec)
          const applied = await facility.apply(changeSet)
          const bad = applied.results.filter(({ target }) => target === spoiled.target)
          assert.equal(bad.length, 1, `one result for ${spoiled.target}`)
          assertFacilityError(bad[0]?.error)
          assert.equal(bad[0]?.changed, false)
          assertResults(
            applied.results.filter(({ target }) => target !== spoiled.target),
            targets,
          )
          await assertConverged(world, spec)
        }),
    })
  }
  return checks

  async function countEffects(): Promise<number> {
    let count = 0
    await inWorld(async (_world, open) => {
      const [facility, effects] = open()
      await facility.apply(await planNow(facility, spec))
      count = effects.done.length
    })
    assert.ok(count > 0, 'applying has effects')
    return count
  }

  async function eachFault(kind: Fault['kind']): Promise<void> {
    const count = await countEffects()
    const most = Math.min(count, subject.faults ?? count)
    const places = new Set(Array.from({ length: most }, (_, index) => 1 + Math.floor((index * count) / most)))
    for (const at of places) {
      await inWorld(async (world, open) => {
        const [facility, effects] = open({ at, kind })
        const changeSet = await planNow(facility, spec)
        const outcome = await facility.apply(changeSet).then(
          ({ results }) => results.flatMap(({ error }) => (error === undefined ? [] : [error])),
          (error: unknown) => [error],
        )
        const where = `effect ${at} of ${count} (${effects.failed ?? 'not reached'})`
        assert.notEqual(effects.failed, undefined, `${where} is reached`)
        assert.ok(
          outcome.some((error) => isCausedBy(error, effects.error)),
          `${where} is the cause of what apply() reports, not: ${outcome.map(String).join('; ') || 'success'}`,
        )
        const repaired = await open()[0].ensure(spec)
        assertResults(repaired.results, targets, `after ${where}`)
        await assertConverged(world, spec)
      })
    }
  }
}

function titles({ changes }: Pick<ChangeSet, 'changes'>): readonly string[] {
  return changes.map(({ action, target }) => `${action} ${target}`)
}

function written({ done }: Effects): readonly string[] {
  return done.flatMap(({ what, wrote }) => (wrote ? [what] : []))
}

function assertFacilityError(error: unknown): void {
  assert.ok(error instanceof FacilityError, `an error of the package, not ${String(error)}`)
  assert.match(error.code, /^[A-Z]+(_[A-Z]+)+$/)
  assert.notEqual(error.facts.operation, '')
}

function assertResults(results: readonly ItemResult[], targets: readonly string[], when = ''): void {
  assert.deepEqual(results.map(({ target }) => target).toSorted(), targets.toSorted(), `a result for each item ${when}`)
  const errors = results.flatMap(({ target, error }) => (error === undefined ? [] : [`${target}: ${error.message}`]))
  assert.deepEqual(errors, [], `no item failed ${when}`)
}

/** Functions and errors in an observation stay what they are. */
function structuredCloneLoosely(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCloneLoosely)
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, structuredCloneLoosely(one)]))
  if (value instanceof Set) return new Set(value)
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, structuredCloneLoosely(one)]))
}
