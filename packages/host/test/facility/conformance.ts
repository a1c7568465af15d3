import t from 'tap'
import { createFakeHost } from '../../src/fake/index.ts'
import { facilityChecks, withEffects, type Subject } from '../../src/facility/conformance.ts'
import {
  errno,
  FacilityError,
  renderFacts,
  type Applied,
  type Change,
  type ChangeSet,
  type Facility,
  type FacilityErrorFacts,
  type Host,
  type ItemResult,
  type Probe,
} from '../../src/index.ts'

class NotesError extends FacilityError<'NOTES_REFUSED' | 'NOTES_INVALID'> {
  static {
    this.prototype.name = 'NotesError'
  }

  constructor(code: NotesError['code'], facts: FacilityErrorFacts) {
    super(code, facts, renderFacts(facts, 'notes'))
  }
}

type Notes = ReadonlyMap<string, string>
interface PlannedNotes extends ChangeSet<Change, NotesError> {
  readonly targets: readonly string[]
}
type Result = ItemResult<NotesError>
type NotesFacility = Facility<Notes, Map<string, string>, PlannedNotes, Result>

const folder = '/notes'

/** A minimal facility: one file with a text for each name. A name has no slash. */
function openNotes(host: Host): NotesFacility {
  const facility: NotesFacility = {
    probe: async (): Promise<Probe> => {
      const works = (await host.status(folder))?.kind === 'folder'
      const steps = works ? [] : [`mkdir ${folder}`]
      const error = new NotesError('NOTES_REFUSED', { operation: 'find the folder', target: folder, steps })
      return { works, steps, warnings: [], features: {}, ...(works ? {} : { error }) }
    },
    read: async (spec) => {
      const observed = new Map<string, string>()
      for (const name of spec.keys()) {
        const text = name.includes('/') ? undefined : await host.read(`${folder}/${name}`)
        if (text !== undefined) observed.set(name, text)
      }
      return observed
    },
    plan: (spec, observed) => {
      const [bad, good] = [
        [...spec.keys()].filter((name) => name.includes('/')),
        [...spec].filter(([name]) => !name.includes('/')),
      ]
      return {
        targets: [...spec.keys()],
        refused: bad.map((target) => ({
          target,
          error: new NotesError('NOTES_INVALID', { operation: 'write the note', target }),
        })),
        changes: good.flatMap(([target, after]): Change[] => {
          const before = observed.get(target)
          if (before === after) return []
          return [{ facility: 'notes', target, action: 'write', after, ...(before === undefined ? {} : { before }) }]
        }),
      }
    },
    apply: async (changeSet, options = {}) => {
      const results = new Map<string, Result>(changeSet.targets.map((target) => [target, { target, changed: false }]))
      for (const { target, error } of changeSet.refused) results.set(target, { target, changed: false, error })
      for (const { target, after = '' } of changeSet.changes) {
        options.signal?.throwIfAborted()
        results.set(target, await write(host, target, after))
      }
      return appliedOf(changeSet, [...results.values()])
    },
    ensure: async (spec, options) => facility.apply(facility.plan(spec, await facility.read(spec)), options),
  }
  return facility
}

function appliedOf({ changes }: PlannedNotes, results: readonly Result[]): Applied<Result> {
  return { changed: results.some(({ changed }) => changed), changes, results }
}

async function write(host: Host, target: string, text: string): Promise<Result> {
  try {
    return { target, ...(await host.replace(`${folder}/${target}`, text)) }
  } catch (cause) {
    const name = errno(cause)
    const facts = { operation: 'write the note', target, cause, ...(name === undefined ? {} : { errno: name }) }
    return { target, changed: false, error: new NotesError('NOTES_REFUSED', facts) }
  }
}

const spec: Notes = new Map([
  ['one', 'I'],
  ['two', 'II'],
  ['three', 'III'],
])

/** Creates the subject of the suite. `defect` gets the working facility and its host, and returns the methods that it breaks. */
function subjectWith(defect: (facility: NotesFacility, host: Host) => Partial<NotesFacility> = () => ({})) {
  const worldOf = (files: Readonly<Record<string, string>>) => {
    const host = createFakeHost({ files })
    return {
      open: (effects: Parameters<typeof withEffects>[1]): NotesFacility => {
        const counted = withEffects(host, effects)
        const whole = openNotes(counted)
        const facility: NotesFacility = {
          ...whole,
          ensure: async (wanted, options) =>
            facility.apply(facility.plan(wanted, await facility.read(wanted)), options),
        }
        return Object.assign(facility, defect(whole, counted))
      },
      snapshot: async () => {
        const names = await host.list(folder)
        return Promise.all(names.map(async (name) => [name, await host.read(`${folder}/${name}`)]))
      },
      close: async () => {},
    }
  }
  const subject: Subject<Notes, Map<string, string>, PlannedNotes, Result> = {
    createWorld: async () => worldOf({ [`${folder}/two`]: 'old' }),
    createBrokenWorld: async () => worldOf({}),
    spec,
    targets: [...spec.keys()],
    spoiled: { spec: new Map([...spec, ['../passwd', 'bad']]), target: '../passwd' },
  }
  return subject
}

/** Runs the suite. Returns the names of the failed checks with their errors. */
async function failuresOf(subject: ReturnType<typeof subjectWith>): Promise<ReadonlyMap<string, string>> {
  const failures = new Map<string, string>()
  for (const { name, run } of facilityChecks(subject)) {
    try {
      await run()
    } catch (error) {
      failures.set(name, String(error))
    }
  }
  return failures
}

void t.test('facilityChecks() passes for a facility that conforms', async (t) => {
  t.strictSame([...(await failuresOf(subjectWith()))], [])
  const names = facilityChecks(subjectWith()).map(({ name }) => name)
  t.equal(new Set(names).size, names.length, 'the name of each check is unique')
  const { spoiled: _, ...plain } = subjectWith()
  t.equal(facilityChecks(plain).length, names.length - 1, 'without `spoiled` its check is left out')
})

let counter = 0

const probed = 'probe() works, changes nothing and has no steps where the facility works'
const broken = 'probe() returns an error with a code and steps where the facility does not work'
const pure = 'read() and plan() change nothing, and plan() is pure'
const applied = 'apply() performs the planned changes, returns a result for each item, and the next change set is empty'
const ensured = 'ensure() applies the changes that plan() returns'
const empty = 'an empty change set runs nothing and writes nothing'
const aborted = 'an aborted apply() leaves the old state'
const failed = 'apply() reports a failure of any effect, and the next ensure() converges'
const crashed = 'after apply() is killed at any effect, ensure() of the next process converges'
const spoiled = 'an item that cannot be applied has its own error, and the other items are applied'

type Failing = Readonly<Record<string, RegExp>>

/** Expects the same reason for several checks. */
function each(reason: RegExp, ...names: readonly string[]): Failing {
  return Object.fromEntries(names.map((name) => [name, reason]))
}

const variants: Readonly<Record<string, readonly [defect: Parameters<typeof subjectWith>[0], failing: Failing]>> = {
  'probe() throws': [
    () => ({ probe: async () => Promise.reject(new Error('no folder')) }),
    each(/no folder/, probed, broken),
  ],
  'probe() writes': [
    (whole, host) => ({
      probe: async () => {
        if ((await host.status(folder)) !== undefined) await host.replace(`${folder}/probe`, String((counter += 1)))
        return whole.probe()
      },
    }),
    each(/deep-equal/, probed),
  ],
  'probe() has steps although it works': [
    (whole) => ({ probe: async () => ({ ...(await whole.probe()), steps: ['reboot'] }) }),
    each(/reboot/, probed),
  ],
  'probe() reports that nothing works, without an error': [
    () => ({ probe: async () => ({ works: false, steps: [], warnings: [], features: {} }) }),
    { [probed]: /deep-equal/, [broken]: /a FacilityError of the package, not undefined/ },
  ],
  'probe() has an error without a code': [
    (whole) => ({
      probe: async () => {
        const { error, ...probe } = await whole.probe()
        return error === undefined ? probe : { ...probe, error: new Error('no folder') as NotesError }
      },
    }),
    each(/a FacilityError of the package, not Error: no folder/, broken),
  ],
  'read() writes': [
    (whole, host) => ({
      read: async (wanted) => {
        await host.replace(`${folder}/read`, String((counter += 1)))
        return whole.read(wanted)
      },
    }),
    {
      ...each(/a second ensure\(\) writes nothing/, applied, ensured, spoiled),
      ...each(/deep-equal/, pure, empty),
      ...each(/an aborted apply\(\) writes nothing/, aborted),
      ...each(/Cannot replace .notes.read: injected/, failed, crashed),
    },
  ],
  'plan() is not pure': [
    (whole) => ({
      plan: (wanted, observed) => {
        const changeSet = whole.plan(wanted, observed)
        return { ...changeSet, changes: changeSet.changes.map((one) => ({ ...one, command: `${(counter += 1)}` })) }
      },
    }),
    { [pure]: /equal results for equal arguments/, [ensured]: /deep-equal/ },
  ],
  'plan() changes the observation': [
    (whole) => ({
      plan: (wanted, observed) => {
        const changeSet = whole.plan(wanted, observed)
        observed.set('seen', 'yes')
        return changeSet
      },
    }),
    each(/does not change the observation/, pure),
  ],
  'plan() plans nothing': [
    (whole) => ({ plan: (wanted, observed) => ({ ...whole.plan(wanted, observed), changes: [] }) }),
    {
      [pure]: /the spec must differ/,
      [applied]: /strictly equal/,
      [aborted]: /apply\(\) rejects when it is aborted/,
      ...each(/apply\(\) has effects/, failed, crashed),
    },
  ],
  'apply() drops an item': [
    (whole) => ({
      apply: (changeSet, options) =>
        whole.apply(
          { ...changeSet, targets: changeSet.targets.slice(1), changes: changeSet.changes.slice(1) },
          options,
        ),
    }),
    {
      [applied]: /apply\(\) performs the planned changes/,
      [ensured]: /deep-equal/,
      [aborted]: /the change set after apply\(\) is empty/,
      ...each(/one result for each item/, failed, crashed, spoiled),
    },
  ],
  'apply() drops an item and reports success': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const done = await whole.apply({ ...changeSet, changes: changeSet.changes.slice(1) }, options)
        return { ...done, changes: changeSet.changes }
      },
    }),
    each(/the change set after apply\(\) is empty/, applied, ensured, aborted, failed, crashed, spoiled),
  ],
  'apply() has no result for an unchanged item': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const done = await whole.apply(changeSet, options)
        return { ...done, results: done.results.filter(({ changed, error }) => changed || error !== undefined) }
      },
    }),
    each(/one result for each item/, applied, failed, crashed),
  ],
  'apply() performs a change that is not in its change set': [
    (whole, host) => ({
      apply: async (changeSet, options) => {
        if (changeSet.changes.length > 0) await host.replace(`${folder}/more`, 'x')
        return { ...(await whole.apply(changeSet, options)), changes: [] }
      },
    }),
    {
      [applied]: /apply\(\) performs the planned changes/,
      [ensured]: /deep-equal/,
      [aborted]: /an aborted apply\(\) writes nothing/,
    },
  ],
  'apply() swallows a fault': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const done = await whole.apply(changeSet, options)
        const refused = new Set(changeSet.refused.map(({ target }) => target))
        const results = done.results.map((result) =>
          refused.has(result.target) ? result : { target: result.target, changed: result.changed },
        )
        return { ...done, results }
      },
    }),
    each(/must report an error with the cause .*, but reports: success/, failed, crashed),
  ],
  'apply() reports a fault without its cause': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const done = await whole.apply(changeSet, options)
        const results = done.results.map(({ error, ...result }) =>
          error === undefined ? result : { ...result, error: new NotesError(error.code, error.facts) },
        )
        return { ...done, results }
      },
    }),
    each(/must report an error with the cause .*, but reports: NotesError: Cannot write the note/, failed, crashed),
  ],
  'apply() ignores an abort': [
    (whole) => ({ apply: (changeSet) => whole.apply(changeSet) }),
    each(/apply\(\) rejects when it is aborted/, aborted),
  ],
  'apply() writes before it checks for an abort': [
    (whole, host) => ({
      apply: async (changeSet, options) => {
        if (changeSet.changes.length > 0) await host.replace(`${folder}/one`, 'I')
        return whole.apply(changeSet, options)
      },
    }),
    each(/an aborted apply\(\) writes nothing/, aborted),
  ],
  'apply() leaves a file behind when it is killed': [
    (whole, host) => ({
      apply: async (changeSet, options) => {
        if (changeSet.changes.length === 0) return whole.apply(changeSet, options)
        options?.signal?.throwIfAborted()
        if ((await host.read('/notes.busy')) !== undefined)
          throw new NotesError('NOTES_REFUSED', { operation: 'begin' })
        await host.replace('/notes.busy', '')
        const done = await whole.apply(changeSet, options)
        await host.remove('/notes.busy')
        return done
      },
    }),
    each(/Cannot begin/, crashed),
  ],
  'apply() of an empty change set writes': [
    (whole, host) => ({
      apply: async (changeSet, options) => {
        options?.signal?.throwIfAborted()
        await host.replace(`${folder}/applied`, String((counter += 1)))
        return whole.apply(changeSet, options)
      },
    }),
    {
      ...each(/a second ensure\(\) writes nothing/, applied, ensured, aborted, failed, crashed, spoiled),
      ...each(/deep-equal/, empty),
    },
  ],
  'apply() always reports a change': [
    (whole) => ({
      apply: async (changeSet, options) => ({ ...(await whole.apply(changeSet, options)), changed: true }),
    }),
    {
      ...each(/a second ensure\(\) changes nothing/, applied, ensured, aborted, failed, crashed, spoiled),
      ...each(/strictly equal/, empty),
    },
  ],
  'the error of an item is a text': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const done = await whole.apply(changeSet, options)
        const results = done.results.map(({ error, ...result }) =>
          error === undefined ? result : { ...result, error: error.message as unknown as NotesError },
        )
        return { ...done, results }
      },
    }),
    {
      ...each(/must report an error with the cause/, failed, crashed),
      ...each(/a FacilityError of the package, not Cannot write the note/, spoiled),
    },
  ],
  'a bad item stops the other items': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const [bad] = changeSet.refused
        if (bad !== undefined) throw bad.error
        return whole.apply(changeSet, options)
      },
    }),
    each(/NotesError: Cannot write the note "..\/passwd"/, spoiled),
  ],
  'a bad item is left out': [
    (whole) => ({
      apply: async (changeSet, options) => {
        const done = await whole.apply(changeSet, options)
        const bad = new Set(changeSet.refused.map(({ target }) => target))
        return { ...done, results: done.results.filter(({ target }) => !bad.has(target)) }
      },
    }),
    each(/one result for ..\/passwd/, spoiled),
  ],
  'ensure() applies other changes than plan() returns': [
    (whole) => ({
      ensure: async (wanted, options) => {
        const changeSet = whole.plan(wanted, await whole.read(wanted))
        return whole.apply({ ...changeSet, changes: changeSet.changes.toReversed() }, options)
      },
    }),
    each(/deep-equal/, ensured),
  ],
  'a second ensure() writes': [
    (whole, host) => ({
      ensure: async (wanted, options) => {
        await host.replace(`${folder}/log`, String((counter += 1)))
        return whole.ensure(wanted, options)
      },
    }),
    each(/a second ensure\(\) writes nothing/, applied, ensured, aborted, failed, crashed, spoiled),
  ],
  'ensure() does nothing': [
    (whole) => ({ ensure: async (wanted) => whole.apply(whole.plan(wanted, new Map(wanted))) }),
    {
      [ensured]: /deep-equal/,
      [empty]: /strictly equal/,
      ...each(/the change set after apply\(\) is empty/, aborted, failed, crashed),
    },
  ],
}

for (const [title, [defect, failing]] of Object.entries(variants)) {
  void t.test(`facilityChecks() finds: ${title}`, async (t) => {
    const failures = await failuresOf(subjectWith(defect))
    t.strictSame([...failures.keys()].toSorted(), Object.keys(failing).toSorted())
    for (const [name, reason] of Object.entries(failing)) t.match(failures.get(name), reason, name)
  })
}
