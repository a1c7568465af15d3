import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { createContext, haproxyProgram, makeFolders } from '../src/context.ts'
import { range, testFolder } from './support/proxy.ts'

const settings = { folder: '/f', runFolder: '/r', listen: [':80'], connectionsPerTenant: 5, ...range }

void t.test('createContext() says to HAProxy where a path is below the root', async (t) => {
  const root = testFolder(t)
  const tls = { listen: [':443'], certificates: '/certs' }
  const { files, real } = createContext(createHost({ root }), { ...settings, tls })
  t.equal(files.config, '/f/haproxy.cfg')
  t.equal(real.files.config, `${root}/f/haproxy.cfg`)
  t.equal(real.settings.tls?.certificates, `${root}/certs`)
})

void t.test('createContext() refuses a socket path that only the root makes too long', async (t) => {
  const host = createHost({ root: `/tmp/${'x'.repeat(90)}` })
  t.throws(() => createContext(host, settings), { code: 'HAPROXY_SETTINGS_INVALID' })
})

void t.test('haproxyProgram() names the package when there is none', async (t) => {
  const facts = { code: 'HAPROXY_NOT_INSTALLED', message: /install the package haproxy/ }
  t.throws(() => haproxyProgram(createFakeHost()), facts)
})

void t.test('makeFolders() makes both and leaves a folder that is there as it is', async (t) => {
  const host = createHost({ root: testFolder(t) })
  await host.makeFolder('/r', { mode: 0o750 })
  await makeFolders(createContext(host, settings))
  t.match(await host.status('/f'), { kind: 'folder', mode: 0o700 })
  t.match(await host.status('/r'), { kind: 'folder', mode: 0o750 })
})
