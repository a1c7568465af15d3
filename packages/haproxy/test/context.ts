import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { createContext, haproxyProgram, makeFolders, withSpec } from '../src/context.ts'
import { range, testFolder } from './support/proxy.ts'

const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 5, ...range }

void t.test('createContext() puts the root in front of the paths for HAProxy', async (t) => {
  const root = testFolder(t)
  const { files, real, settings: own } = withSpec(createContext(createHost({ root }), settings), settings)
  t.equal(files.config, '/f/haproxy.cfg')
  t.equal(real.files.config, `${root}/f/haproxy.cfg`)
  t.equal(real.settings.folder, `${root}/f`)
  t.strictSame(real.settings.listen, [':80'])
  t.equal(own.folder, '/f')
})

void t.test('createContext() refuses a socket path that is too long with the root in front', async (t) => {
  const host = createHost({ root: `/tmp/${'x'.repeat(90)}` })
  t.throws(() => createContext(host, settings), { code: 'HAPROXY_SETTINGS_INVALID' })
})

void t.test('withSpec() refuses an invalid spec', async (t) => {
  const context = createContext(createFakeHost(), settings)
  t.throws(() => withSpec(context, { ...settings, slots: 0 }), { code: 'HAPROXY_SETTINGS_INVALID' })
})

void t.test('haproxyProgram() names the Debian package when the program is not installed', async (t) => {
  const facts = { code: 'HAPROXY_NOT_INSTALLED', message: /apt-get install haproxy/ }
  t.throws(() => haproxyProgram(createFakeHost()), facts)
})

void t.test('makeFolders() creates both folders and does not change an existing one', async (t) => {
  const host = createHost({ root: testFolder(t) })
  await host.makeFolder('/r', { mode: 0o750 })
  await makeFolders(createContext(host, settings))
  t.match(await host.status('/f'), { kind: 'folder', mode: 0o700 })
  t.match(await host.status('/r'), { kind: 'folder', mode: 0o750 })
})
