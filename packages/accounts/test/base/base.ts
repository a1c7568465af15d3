import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { createFakeHost, type FakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openBase } from '../../src/base/base.ts'
import { defaultLayout } from '../../src/slots.ts'
import { whyNot } from '../support/scratch.ts'
import { createScratchWorld } from '../support/world.ts'

// Each fault of each effect has its own world.
t.setTimeout(300_000)

const skip = whyNot('sshd', 'usermod')
const dropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
const include = 'Include /etc/ssh/sshd_config.d/*.conf\n'
const targets = [
  '/etc/puppy',
  '/etc/puppy/keys',
  '/etc/puppy/env',
  '/etc/puppy/released',
  '/etc/profile.d/puppy.sh',
  '/etc/systemd/user-environment-generators/50-puppy',
  dropIn,
]
const createBrokenWorld = async () => ({
  open: () => openBase(createFakeHost(), defaultLayout),
  close: async () => {},
})

for (const { name, run } of facilityChecks({
  createWorld: async () => {
    const { host, ...world } = createScratchWorld({ '/etc/ssh/sshd_config': include })
    return { ...world, open: (effects) => openBase(withEffects(host, effects), defaultLayout) }
  },
  createBrokenWorld,
  spec: 'present' as const,
  targets,
}))
  void t.test(`base files of a folder: ${name}`, { skip }, run)

/** Creates a machine whose sshd reads its drop-in when its unit is reloaded. */
function createMachine() {
  let loaded: string | undefined
  const host: FakeHost = createFakeHost({
    files: { '/etc/ssh/sshd_config': include, '/run/systemd/system/x': '' },
    programs: {
      '/usr/sbin/sshd': () => ({}),
      '/usr/sbin/usermod': () => ({}),
      '/usr/bin/systemctl': async ({ args }) => {
        if (args[0] === 'list-units') return { stdout: 'ssh.service loaded active running OpenBSD\n' }
        loaded = await host.read(dropIn)
        return {}
      },
    },
  })
  return { host, loaded: () => loaded }
}

async function filesOf(host: FakeHost, folder: string): Promise<readonly object[]> {
  const entries = await Promise.all(
    (await host.list(folder)).map(async (name) => {
      const path = `${folder === '/' ? '' : folder}/${name}`
      const status = await host.status(path)
      if (status?.kind !== 'folder') return [{ path, status, text: await host.read(path) }]
      return [{ path, status }, ...(await filesOf(host, path))]
    }),
  )
  return entries.flat()
}

for (const { name, run } of facilityChecks({
  createWorld: async () => {
    const { host, loaded } = createMachine()
    return {
      open: (effects) => openBase(withEffects(host, effects), defaultLayout),
      snapshot: async () => [loaded(), await filesOf(host, '/')],
      close: async () => {},
    }
  },
  createBrokenWorld,
  spec: 'present' as const,
  targets,
}))
  void t.test(`base files of a machine: ${name}`, run)

void t.test('ensure() reloads sshd when the previous process was killed before the reload', async (t) => {
  const { host, loaded } = createMachine()
  const run: typeof host.run = (command, options) =>
    command[1] === 'reload' ? Promise.reject(new Error('killed')) : host.run(command, options)
  await t.rejects(openBase({ ...host, run }, defaultLayout).ensure('present'), /killed/)
  t.equal(loaded(), undefined)
  const { changes } = await openBase(host, defaultLayout).ensure('present')
  t.strictSame(
    changes.map(({ action }) => action),
    ['reload sshd'],
  )
  t.equal(loaded(), await host.read(dropIn))
})

void t.test('openBase() refuses an invalid layout', (t) => {
  t.throws(() => openBase(createFakeHost(), { ...defaultLayout, group: 'a b' }), TypeError)
  t.end()
})
