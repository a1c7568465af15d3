import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type Host } from '@puppy/host'
import { facilityChecks, withEffects, type Check, type Subject } from '@puppy/host/conformance'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeSelinux, type FakeSelinuxOptions } from '../../src/fake.ts'
import {
  openPolicy,
  type ObservedPolicy,
  type PolicyChangeSet,
  type PolicyOptions,
  type PolicyResult,
  type PolicySpec,
} from '../../src/index.ts'

type PolicySubject = Subject<PolicySpec, ObservedPolicy, PolicyChangeSet, PolicyResult>

const spec: PolicySpec = {
  modules: { a: '(boolean own false)\n', b: '(type b_t)\n' },
  booleans: { own: true },
  dontaudit: 'logged',
}

const shared = {
  spec,
  targets: ['module a', 'module b', 'boolean own', 'dontaudit'],
  // The compiler refuses this module, not the plan.
  spoiled: { spec: { ...spec, modules: { ...spec.modules, bad: '(type' } }, target: 'module bad' },
} satisfies Partial<PolicySubject>

/** Returns the checks of the common suite for the policy of a fake host. */
export function fakeChecks(fakeOptions: FakeSelinuxOptions = {}, options: PolicyOptions = {}): readonly Check[] {
  const subject: PolicySubject = {
    ...shared,
    createWorld: async () => {
      const host = createFakeHost(createFakeSelinux(fakeOptions).options)
      return {
        open: (effects) => openPolicy(withEffects(host, effects), options),
        snapshot: () => fakeFiles(host, '/'),
        close: async () => {},
      }
    },
    createBrokenWorld: async () => ({
      open: (effects) => openPolicy(withEffects(createFakeHost(), effects), options),
      close: async () => {},
    }),
  }
  return facilityChecks(subject)
}

/** Returns the checks of the common suite for a real store: a copy of a folder that is used as the root of a machine. */
export function storeChecks(template: Host): readonly Check[] {
  const createRoot = async () => {
    const root = await mkdtemp(join(tmpdir(), 'selinux-world-'))
    const host = createHost({ root })
    return { root, host, close: () => rm(root, { recursive: true, force: true }) }
  }
  const subject: PolicySubject = {
    ...shared,
    createWorld: async () => {
      const { root, host, close } = await createRoot()
      await cp(template.root, root, { recursive: true, preserveTimestamps: true })
      return { open: (effects) => openPolicy(withEffects(host, effects)), snapshot: () => realFiles(root), close }
    },
    createBrokenWorld: async () => {
      const { host, close } = await createRoot()
      return { open: (effects) => openPolicy(withEffects(host, effects)), close }
    },
  }
  return facilityChecks(subject)
}

/**
 * Returns the checks of the common suite for the policy of the machine, which the kernel loads. Each transaction takes seconds to minutes,
 * so faults are injected at few effects.
 *
 * @param boolean a boolean of the policy that is off
 */
export function machineChecks(host: Host, boolean: string): readonly Check[] {
  const modules = { sxl_a: '(type sxl_a_t)\n', sxl_b: '(type sxl_b_t)\n' }
  const machineSpec = { modules, booleans: { [boolean]: true } }
  const createWorld = async () => ({
    open: (effects: Parameters<typeof withEffects>[1]) => openPolicy(withEffects(host, effects)),
    snapshot: async () => [
      await openPolicy(host).read(machineSpec),
      await host.read('/var/lib/selinux/default/active/commit_num'),
      await host.list('/var/lib/puppy-selinux/default'),
    ],
    close: async () => {
      const policy = openPolicy(host)
      const back = { remove: [...Object.keys(modules), 'sxl_bad'], booleans: { [boolean]: 'default' as const } }
      for (const { error } of (await policy.ensure(back)).results) if (error !== undefined) throw error
    },
  })
  const subject: PolicySubject = {
    createWorld,
    createBrokenWorld: async () => ({
      open: (effects) => openPolicy(withEffects(host, effects), { type: 'sxl_none' }),
      close: async () => {},
    }),
    spec: machineSpec,
    targets: ['module sxl_a', 'module sxl_b', `boolean ${boolean}`],
    spoiled: { spec: { ...machineSpec, modules: { ...modules, sxl_bad: '(type' } }, target: 'module sxl_bad' },
    faults: 3,
  }
  return facilityChecks(subject)
}

async function fakeFiles(host: Host, folder: string): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {}
  for (const name of await host.list(folder)) {
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`
    const status = await host.status(path)
    if (status?.kind === 'folder') Object.assign(files, { [path]: 'a folder' }, await fakeFiles(host, path))
    else files[path] = (await host.read(path)) ?? ''
  }
  return files
}

async function realFiles(root: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  const files = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    const text = entry.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : 'a folder'
    return [path, text] as const
  })
  return Object.fromEntries(await Promise.all(files))
}
