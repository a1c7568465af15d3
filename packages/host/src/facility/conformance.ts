import assert from 'node:assert/strict'
import { HostError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Change, ChangeSet, ItemResult } from './change.ts'
import { countedHost, createEffects, type Effects, type Fault } from './effects.ts'
import { FacilityError, isCausedBy } from './error.ts'
import type { Facility } from './facility.ts'

export type { Effects } from './effects.ts'

/** A facility in an environment of its own, fake or real. */
export interface World<Spec, Observed, Planned extends ChangeSet<Change>, Result extends ItemResult> {
  /**
   * Opens the facility in this world. The suite calls it again after each fault, as if a new process started after a crash. Everything that
   * changes the world must pass through `effects`: a host wrapped by `withEffects`. The world itself wraps effects that do not use a host.
   */
  open(effects: Effects): Facility<Spec, Observed, Planned, Result>
  /** Returns everything that an effect could change, as plain data that the suite compares. */
  snapshot(): Promise<unknown>
  /** Restores the state before the first effect. A fake needs no cleanup if each world is created separately. */
  close(): Promise<void>
}

/** The facility under test and its inputs. */
export interface Subject<Spec, Observed, Planned extends ChangeSet<Change>, Result extends ItemResult> {
  /** Creates a fresh world in which the spec is not applied. */
  createWorld(): Promise<World<Spec, Observed, Planned, Result>>
  /** Creates a world in which the facility does not work, such as a host without the required tool. */
  createBrokenWorld(): Promise<Pick<World<Spec, Observed, Planned, Result>, 'open' | 'close'>>
  /** At least two items that can be applied. */
  readonly spec: Spec
  /** The targets of `spec` as the results name them, in any order. */
  readonly targets: readonly string[]
  /** `spec` and one more item that cannot be applied. Absent when the facility cannot refuse a single item. */
  readonly spoiled?: { readonly spec: Spec; readonly target: string }
  /** The most effects at which faults are injected, spread evenly. Default: every effect. */
  readonly faults?: number
}

/** One check of the suite. It rejects when the facility does not conform. */
export interface Check {
  readonly name: string
  run(): Promise<void>
}

/** Wraps a host for `World.open`. An injected fault is then a `HostError`, as every failure of a host is. */
export function withEffects(host: Host, effects: Effects): Host {
  return countedHost(
    host,
    effects,
    (what, cause) => new HostError('HOST_WRITE_FAILED', { operation: what, detail: cause.message, cause }),
  )
}

/**
 * Returns the checks that every facility must pass. They work with any test runner: run each check as its own test.
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

  /** Plans from the current state of the world. */
  const planNow = async (facility: Opened, wanted: Spec) => facility.plan(wanted, await facility.read(wanted))

  /** Checks that a newly opened facility finds no difference to the spec and changes nothing. */
  const assertConverged = async (world: World<Spec, Observed, Planned, Result>, wanted: Spec) => {
    const effects = createEffects()
    const facility = world.open(effects)
    assert.deepEqual(titles(await planNow(facility, wanted)), [], 'the change set after apply() is empty')
    const before = await world.snapshot()
    const again = await facility.ensure(wanted)
    assert.equal(again.changed, false, 'a second ensure() changes nothing')
    assert.deepEqual(titles(again), [], 'a second ensure() reports no change')
    assert.deepEqual(written(effects), [], 'a second ensure() writes nothing')
    assert.deepEqual(await world.snapshot(), before, 'a second ensure() does not change the world')
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
          assert.deepEqual(one, other, 'plan() returns equal results for equal arguments')
          assert.deepEqual(spec, copyOfSpec, 'plan() does not change the spec')
          assert.deepEqual(observed, copyOfObserved, 'plan() does not change the observation')
          assert.notDeepEqual(titles(one), [], 'the spec must differ from a fresh world')
          assert.deepEqual(written(effects), [])
          assert.deepEqual(await world.snapshot(), before)
        }),
    },
    {
      name: 'apply() performs the planned changes, returns a result for each item, and the next change set is empty',
      run: () =>
        inWorld(async (world, open) => {
          const [facility] = open()
          const changeSet = await planNow(facility, spec)
          const applied = await facility.apply(changeSet)
          assert.equal(applied.changed, true)
          assert.deepEqual(applied.changes, changeSet.changes, 'apply() performs the planned changes')
          assertResults(applied.results, targets)
          assert.ok(
            applied.results.some(({ changed }) => changed),
            'at least one result reports a change',
          )
          const again = await assertConverged(world, spec)
          assertResults(again.results, targets)
          assert.ok(again.results.every(({ changed }) => !changed))
        }),
    },
    {
      name: 'ensure() applies the changes that plan() returns',
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
          const signal = AbortSignal.abort(new Error('aborted by the conformance suite'))
          await assert.rejects(async () => facility.apply(changeSet, { signal }), 'apply() rejects when it is aborted')
          assert.deepEqual(written(effects), [], 'an aborted apply() writes nothing')
          assert.deepEqual(await world.snapshot(), before)
          await facility.ensure(spec)
          await assertConverged(world, spec)
        }),
    },
    {
      name: 'apply() reports a failure of any effect, and the next ensure() converges',
      run: () => eachFault('failure'),
    },
    {
      name: 'after apply() is killed at any effect, ensure() of the next process converges',
      run: () => eachFault('crash'),
    },
  ]
  if (spoiled !== undefined) {
    checks.push({
      name: 'an item that cannot be applied has its own error, and the other items are applied',
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
    assert.ok(count > 0, 'apply() has effects')
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
          `apply() must report an error with the cause ${where}, but reports: ${outcome.map(String).join('; ') || 'success'}`,
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
  assert.ok(error instanceof FacilityError, `must be a FacilityError of the package, not ${String(error)}`)
  assert.match(error.code, /^[A-Z]+(_[A-Z]+)+$/)
  assert.notEqual(error.facts.operation, '')
}

function assertResults(results: readonly ItemResult[], targets: readonly string[], when = ''): void {
  assert.deepEqual(
    results.map(({ target }) => target).toSorted(),
    targets.toSorted(),
    `one result for each item ${when}`,
  )
  const errors = results.flatMap(({ target, error }) => (error === undefined ? [] : [`${target}: ${error.message}`]))
  assert.deepEqual(errors, [], `no item failed ${when}`)
}

/** Copies plain data, so that a later change of the original is found. Functions and errors are kept as they are. */
function structuredCloneLoosely(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCloneLoosely)
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, structuredCloneLoosely(one)]))
  if (value instanceof Set) return new Set(value)
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, structuredCloneLoosely(one)]))
}
