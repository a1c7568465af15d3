import t from 'tap'
import { createFakeHost, renderFakeProcess } from '../../src/fake/index.ts'
import { withEffects } from '../../src/facility/conformance.ts'
import { countedHost, createEffects, type Effects } from '../../src/facility/effects.ts'
import { HostError, isCausedBy, type Host } from '../../src/index.ts'

void t.test('createEffects() counts effects and records which of them wrote', async (t) => {
  const effects = createEffects()
  t.equal(await effects.perform('one', async () => 1), 1)
  t.equal(
    effects.performSync('two', () => 2),
    2,
  )
  await effects.perform(
    'three',
    async () => 3,
    (value) => value > 3,
  )
  await t.rejects(
    effects.perform('four', async () => Promise.reject(new Error('its own'))),
    { message: 'its own' },
  )
  t.strictSame(effects.done, [
    { what: 'one', wrote: true },
    { what: 'two', wrote: true },
    { what: 'three', wrote: false },
  ])
  t.equal(effects.failed, undefined)
})

void t.test('a `failure` fails one effect, a `crash` also every later one', async (t) => {
  for (const [kind, expected] of [
    ['failure', ['a', 'c']],
    ['crash', ['a']],
  ] as const) {
    const effects = createEffects({ at: 2, kind })
    for (const what of ['a', 'b', 'c']) {
      const outcome = await effects.perform(what, async () => what).catch((error: unknown) => error)
      if (!expected.some((one) => one === what)) t.equal(outcome, effects.error, `${kind}: ${what} fails`)
    }
    t.strictSame(
      effects.done.map(({ what }) => what),
      expected,
      kind,
    )
    t.equal(effects.failed, 'b', 'the first that failed')
  }
  const sync = createEffects({ at: 1, kind: 'crash' })
  let ran = false
  t.throws(() => sync.performSync('x', () => (ran = true)), sync.error)
  t.equal(ran, false, 'the effect itself does not run')
})

const acts: readonly (readonly [what: string, wrote: boolean, act: (host: Host) => Promise<unknown>])[] = [
  ['replace /d/a', true, (host) => host.replace('/d/a', 'new')],
  ['replace /d/a', false, (host) => host.replace('/d/a', 'old')],
  ['replace /d/a /d/b', true, (host) => host.replaceMany([{ path: '/d/a', text: 'old' }, { path: '/d/b', text: 'x' }])], // prettier-ignore
  ['replace /d/a', false, (host) => host.replaceMany([{ path: '/d/a', text: 'old' }])],
  ['make the folder /n', true, (host) => host.makeFolder('/n')],
  ['make the folder /d', false, (host) => host.makeFolder('/d')],
  ['remove /d/a', true, (host) => host.remove('/d/a')],
  ['remove /d/z', false, (host) => host.remove('/d/z')],
  ['run /bin/x -y', true, (host) => host.run(['/bin/x', '-y'], { touches: 'machine' })],
  ['run /bin/x', true, (host) => host.run(['/bin/x'], { touches: 'files' })],
  ['start /bin/x', true, (host) => host.start(['/bin/x'], { log: '/log' })],
  ['send SIGHUP to the process 9', true, (host) => host.signal({ pid: 9, started: 100 }, 'SIGHUP')],
  ['send SIGHUP to the process 9', false, (host) => host.signal({ pid: 9, started: 1 }, 'SIGHUP')],
]

function hostWith(effects: Effects): Host {
  const files = { '/d/a': 'old', ...renderFakeProcess({ pid: 9, uid: 1 }) }
  return withEffects(createFakeHost({ files, programs: { '/bin/x': () => ({}) } }), effects)
}

for (const [index, [what, wrote, act]] of acts.entries()) {
  void t.test(`withEffects() counts ${what} (${index})`, async (t) => {
    const effects = createEffects()
    await act(hostWith(effects))
    t.strictSame(effects.done, [{ what, wrote }])
    const failing = createEffects({ at: 1, kind: 'failure' })
    const error: unknown = await act(hostWith(failing)).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    t.ok(error instanceof HostError, 'an injected fault is an error of the host')
    t.ok(isCausedBy(error, failing.error))
  })
}

void t.test('withEffects() does not count operations that change nothing', async (t) => {
  const effects = createEffects({ at: 1, kind: 'crash' })
  const host = hostWith(effects)
  await host.run(['/bin/x'], { touches: 'nothing' })
  t.equal(await host.read('/d/a'), 'old')
  await host.list('/d')
  await host.status('/d')
  await host.replaceMany([])
  await (await host.lock('/d/lock')).release()
  t.strictSame(effects.done, [])
})

void t.test('countedHost() passes on errors of the host', async (t) => {
  const host = countedHost(createFakeHost(), createEffects(), () => new Error('injected'))
  await t.rejects(host.replace('/no/such', 'x'), { code: 'HOST_WRITE_FAILED' })
  await t.rejects(host.run(['/no'], { touches: 'files' }), { code: 'HOST_PROGRAM_NOT_FOUND' })
})
