import { freePort } from '@puppy/host/testing'
import { mkdtempSync, rmSync } from 'node:fs'
import { createHost, type Host } from '@puppy/host'
import { withEffects, type Effects, type Subject, type World } from '@puppy/host/conformance'
import type { ConfigChangeSet, ConfigResult, ObservedConfig } from '../../src/config/plan.ts'
import { createContext } from '../../src/context.ts'
import { openHaproxy, type Haproxy } from '../../src/haproxy.ts'
import { locateMaster, readWorkerMeanwhile } from '../../src/lifecycle/worker.ts'
import type { RouteResult } from '../../src/routes/apply.ts'
import type { RouteChangeSet } from '../../src/routes/plan.ts'
import type { ObservedRoutes } from '../../src/routes/read.ts'
import type { RouteSpec } from '../../src/routes/spec.ts'
import type { Runtime } from '../../src/runtime/socket.ts'
import { proxyFiles, type ConfigSpec, type ProxyLocation } from '../../src/settings.ts'
import { createFakeHaproxy } from './fake-haproxy.ts'
import { range } from './proxy.ts'

/** The host and the location of one world of the conformance suite. */
export interface Place {
  readonly host: Host
  readonly location: ProxyLocation
  /** The client of the runtime socket. Absent: the client of a real HAProxy. */
  readonly runtime?: Runtime
  close(): Promise<void>
}

/** Creates a place in a folder of this machine. `close` deletes it. */
export async function createPlace(base = mkdtempSync('/tmp/puppy-hx-')): Promise<Place> {
  const location = { folder: `${base}/f`, runFolder: `${base}/r` }
  const host = createHost()
  const close = async () => {
    await openHaproxy(host, location).stop()
    rmSync(base, { recursive: true, force: true })
  }
  return { host, location, close }
}

/** Creates a place with a HAProxy in memory, with these files. */
export async function createFakePlace(files: Readonly<Record<string, string>> = {}): Promise<Place> {
  return { ...createFakeHaproxy(files), location: { folder: '/f', runFolder: '/r' }, close: async () => {} }
}

/** Opens the HAProxy of a place. Every change goes through `effects`. */
function openCounted(place: Place, effects: Effects): Haproxy {
  const { host, location } = place
  return openHaproxy(withEffects(host, effects), location, { runtime: countCommands(runtimeOf(place), effects) })
}

function runtimeOf({ host, location, runtime }: Place): Runtime {
  return runtime ?? createContext(host, location).runtime
}

/** Returns a client that sends the commands that write through `effects`. */
function countCommands(runtime: Runtime, effects: Effects): Runtime {
  const what = (words: readonly string[]) => `send ${words.slice(0, 3).join(' ')}`
  return {
    send: (words, options) =>
      words[0] === 'show'
        ? runtime.send(words, options)
        : effects.perform(what(words), () => runtime.send(words, options)),
    sendMany: (commands, options) =>
      commands.length === 0
        ? runtime.sendMany(commands, options)
        : effects.perform(what(commands[0] ?? []), () => runtime.sendMany(commands, options)),
  }
}

/** Creates a place without the program. */
async function createBrokenPlace(): Promise<Place> {
  const place = await createPlace()
  return { ...place, host: { ...place.host, program: () => undefined } }
}

async function filesBelow(host: Host, folder: string): Promise<readonly unknown[]> {
  const found = await Promise.all(
    (await host.list(folder)).map(async (name) => {
      const path = `${folder}/${name}`
      const status = await host.status(path)
      if (status?.kind === 'folder') return [path, status.mode, await filesBelow(host, path)]
      return [path, status?.kind, status?.mode, status?.kind === 'file' ? await host.read(path) : undefined]
    }),
  )
  return found
}

/** How many effects get an injected fault, at most. */
export interface Faults {
  readonly faults?: number
}

/**
 * Creates the subject for the configuration and the process, with two certificates.
 *
 * @param create creates an empty place, always at the same paths
 * @param certificates a folder with `a.pem` and `b.pem`
 */
export async function configSubject(
  create: () => Promise<Place>,
  certificates: string,
  faults: Faults = {},
): Promise<Subject<ConfigSpec, ObservedConfig, ConfigChangeSet, ConfigResult>> {
  const [paths, missing] = [['a', 'b'].map((name) => `${certificates}/${name}.pem`), `${certificates}/none.pem`]
  // Every world uses the same ports, because equal worlds must have equal plans. Each world ends before the next one begins.
  const [port, tlsPort] = [await freePort(), await freePort()]
  const specOf = (files: readonly string[]): ConfigSpec => ({
    ...range,
    listen: [`127.0.0.1:${port}`],
    connectionsPerTenant: 20,
    tls: { listen: [`127.0.0.1:${tlsPort}`], certificates: files },
  })
  return {
    createWorld: async () => {
      const place = await create()
      const context = createContext(place.host, place.location, place.runtime)
      return {
        open: (effects) => openCounted(place, effects).config,
        snapshot: async () => ({
          files: await filesBelow(place.host, place.location.folder),
          run: await filesBelow(place.host, place.location.runFolder),
          master: await locateMaster(context),
          worker: (await readWorkerMeanwhile(context))?.pid,
        }),
        close: place.close,
      }
    },
    createBrokenWorld: async () => {
      const place = await createBrokenPlace()
      return { open: (effects) => openCounted(place, effects).config, close: place.close }
    },
    spec: specOf(paths),
    targets: ['haproxy.cfg', 'process', ...paths],
    spoiled: { spec: specOf([missing, ...paths]), target: missing },
    ...faults,
  }
}

/**
 * Creates the subject for `count` routes. HAProxy already has one of them on another port, and twice in its worker.
 *
 * @param create creates a place with a running HAProxy
 */
export function routeSubject(
  create: () => Promise<Place>,
  count: number,
  faults: Faults = {},
): Subject<RouteSpec, ObservedRoutes, RouteChangeSet, RouteResult> {
  const routes = Array.from({ length: count }, (_, index) => ({ domain: `d${index}.test`, port: 20_001 }))
  const spec = { ...range, routes, suspended: [3] }
  return {
    createWorld: async () => worldOf(await create()),
    createBrokenWorld: async () => {
      const place = await createBrokenPlace()
      return { open: (effects) => openCounted(place, effects).routes, close: place.close }
    },
    spec,
    targets: [...routes.map(({ domain }) => domain), 'slot/3'],
    spoiled: { spec: { ...spec, routes: [{ domain: 'bad name', port: 20_001 }, ...routes] }, target: 'bad name' },
    ...faults,
  }
}

async function worldOf(place: Place): Promise<World<RouteSpec, ObservedRoutes, RouteChangeSet, RouteResult>> {
  const { host, location, close } = place
  const [runtime, files] = [runtimeOf(place), proxyFiles(location)]
  await host.replace(files.hosts, 'd0.test 20009\n')
  for (const port of ['20009', '20010']) await runtime.send(['add', 'map', 'hosts.map', 'd0.test', port])
  const valuesOf = (text: string) => text.split('\n').map((line) => line.replace(/^\S+ /, ''))
  return {
    open: (effects) => openCounted(place, effects).routes,
    snapshot: async () => ({
      files: await filesBelow(host, location.folder),
      hosts: valuesOf(await runtime.send(['show', 'map', 'hosts.map'])),
      suspended: valuesOf(await runtime.send(['show', 'map', 'suspended.map'])),
    }),
    close,
  }
}
