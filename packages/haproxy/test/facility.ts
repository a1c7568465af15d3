import { freePort } from '@puppy/host/testing'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { facilityChecks } from '@puppy/host/conformance'
import { openHaproxy } from '../src/haproxy.ts'
import type { HaproxyError } from '../src/errors.ts'
import { readMap, replaceMap, type MapRow } from '../src/runtime/maps.ts'
import type { Runtime } from '../src/runtime/socket.ts'
import { createFakeRuntime } from './support/fake-runtime.ts'
import { makeCertificate, range, skip, skipTls, testFolder, testProxy } from './support/proxy.ts'
import { configSubject, createFakePlace, createPlace, routeSubject, type Place } from './support/subject.ts'

t.setTimeout(900_000)

/** Each world starts a HAProxy. Only a full run injects a fault at every effect of a real one. In memory, every run does. */
const some = process.env['TEST_FULL'] === '1' ? {} : { faults: 4 }

const certificates = testFolder(t)
const base = testFolder(t)
if (skipTls === false) for (const name of ['a', 'b']) makeCertificate(`${certificates}/${name}.pem`, [`${name}.test`])

const createEmpty = () => createPlace(base)
const createFake = () => {
  const paths = ['a', 'b'].map((name) => `${certificates}/${name}.pem`)
  return createFakePlace(Object.fromEntries(paths.map((path) => [path, readFileSync(path, 'utf8')])))
}
for (const { name, run } of facilityChecks(await configSubject(createFake, certificates))) {
  void t.test(`config in memory: ${name}`, { skip: skipTls }, run)
}
// The certificates and the ports are new to the running HAProxy, so it is reloaded.
for (const { name, run } of facilityChecks(await configSubject(async () => start(await createFake()), certificates))) {
  void t.test(`config with a reload, in memory: ${name}`, { skip: skipTls }, run)
}
for (const { name, run } of facilityChecks(await configSubject(createEmpty, certificates, some))) {
  void t.test(`config: ${name}`, { skip: skipTls }, run)
}

/** Starts a HAProxy at a place. */
async function start(place: Place): Promise<Place> {
  const { host, location, runtime } = place
  const port = runtime === undefined ? await freePort() : 18_000
  const spec = { ...range, listen: [`127.0.0.1:${port}`], connectionsPerTenant: 20 }
  await openHaproxy(host, location, runtime === undefined ? {} : { runtime }).config.ensure(spec)
  return place
}
for (const count of [2, 250]) {
  for (const { name, run } of facilityChecks(routeSubject(async () => start(await createFakePlace()), count))) {
    void t.test(`${count} routes in memory: ${name}`, run)
  }
  for (const { name, run } of facilityChecks(routeSubject(async () => start(await createPlace()), count, some))) {
    void t.test(`${count} routes: ${name}`, { skip }, run)
  }
}

void t.test('createFakeRuntime() answers like the maps of HAProxy', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  await haproxy.ensureRunning(spec)
  const [name, both] = ['hosts.map', [context.runtime, createFakeRuntime(['hosts.map'])]]
  const [key, value] = [fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2')]
  const rows = fc.array(fc.record({ key, value }), { minLength: 1, maxLength: 3 })
  const command = fc.oneof(
    fc.tuple(fc.constantFrom('add', 'set'), key, value).map(([verb, ...words]) => [verb, 'map', name, ...words]),
    key.map((one) => ['del', 'map', name, one]),
    fc.constantFrom(['clear', 'map', name], ['show', 'map', 'none.map'], ['set', 'map', 'none.map', 'a', '1']),
  )
  const steps = fc.sample(fc.oneof(command, rows), { numRuns: 300, seed: 7 })
  for (const step of steps) {
    const [real, fake] = await Promise.all(
      both.map(async (runtime) => {
        const refused = isWords(step) ? await refusalOf(runtime, step) : await replaceMap(runtime, name, step)
        return [refused, (await readMap(runtime, name)).map((row) => [row.key, row.value])]
      }),
    )
    t.strictSame(fake, real, JSON.stringify(step))
  }
})

function isWords(step: readonly string[] | readonly MapRow[]): step is readonly string[] {
  return typeof step[0] === 'string'
}

/** Returns the error code of `send` and the severity of `sendMany` for a command. Performs the command twice, unless it is `show`. */
async function refusalOf(runtime: Runtime, words: readonly string[]): Promise<unknown> {
  const one = await runtime.send(words).then(
    () => undefined,
    (error: unknown) => (error as HaproxyError).code,
  )
  const [reply] = words[0] === 'show' ? [] : await runtime.sendMany([words])
  return [one, reply?.severity]
}
