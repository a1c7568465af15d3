import t from 'tap'
import { renderBundle } from '../../src/config/bundle.ts'
import { refuseCertificate, type Certificates } from '../../src/config/certificates.ts'
import { configTargets, planConfig, type ObservedConfig } from '../../src/config/plan.ts'
import { configDescription } from '../../src/config/render.ts'
import { range } from '../support/proxy.ts'

const location = { folder: '/f', runFolder: '/r' }
const plain = { listen: [':80'], connectionsPerTenant: 5, ...range }
const spec = { ...plain, tls: { listen: [':443'], certificates: ['/c'] } }
const [a, b] = [
  { path: '/c/a.pem', digest: '0'.repeat(64) },
  { path: '/c/b.pem', digest: '1'.repeat(64) },
]
const certificates: Certificates = { served: [a, b], refused: [] }
const nothing: ObservedConfig = { location, ipv6: true, certificates, maps: {}, startCommand: 'haproxy -W' }
const bundle = renderBundle({ ...spec, ...location }, certificates, true)
const description = configDescription(bundle.config) ?? ''
const { startCommand: _, ...running } = nothing
const good: ObservedConfig = {
  ...running,
  installed: bundle,
  good: bundle,
  maps: { hosts: '', suspended: '' },
  process: { pid: 7, named: true, description },
}
const titles = (observed: ObservedConfig, wanted: typeof plain = spec) =>
  planConfig(wanted, observed).changes.map(({ action, target }) => `${action} ${target}`)

void t.test('planConfig() installs everything and starts', async (t) => {
  const { changes, refused, bundle: planned } = planConfig(spec, nothing)
  t.strictSame(changes, [
    { facility: 'haproxy', target: 'suspended.map', action: 'add', after: '0 bytes' },
    { facility: 'haproxy', target: 'hosts.map', action: 'add', after: '0 bytes' },
    { facility: 'haproxy', target: '/c/a.pem', action: 'add', after: a.digest },
    { facility: 'haproxy', target: '/c/b.pem', action: 'add', after: b.digest },
    {
      facility: 'haproxy',
      target: 'request-body.lua',
      action: 'add',
      after: `${Buffer.byteLength(bundle.script ?? '')} bytes`,
    },
    { facility: 'haproxy', target: 'haproxy.cfg', action: 'add', after: `${Buffer.byteLength(bundle.config)} bytes` },
    { facility: 'haproxy', target: 'process', action: 'start', after: description, command: 'haproxy -W' },
  ])
  t.strictSame(refused, [])
  t.strictSame(planned, bundle)
})

void t.test('planConfig() returns no change when spec and observation agree', async (t) => {
  t.strictSame(titles(good), [])
})

void t.test('planConfig() without TLS removes the certificates', async (t) => {
  t.strictSame(titles(good, plain), ['remove /c/a.pem', 'remove /c/b.pem', 'set haproxy.cfg', 'reload process'])
})

const differences: [title: string, observed: ObservedConfig, expected: readonly string[]][] = [
  ['a worker with another configuration', { ...good, process: { pid: 7, named: true } }, ['reload process']],
  ['a missing pid file', { ...good, process: { pid: 7, named: false, description } }, ['set haproxy.pid']],
  ['a HAProxy that ended', { ...running, installed: bundle, good: bundle, maps: good.maps }, ['start process']],
  ['a missing copy of the running files', { ...good, good: { config: 'x' } }, ['set haproxy.cfg.good']],
  [
    'a script that another program changed',
    { ...good, installed: { ...bundle, script: 'x' } },
    ['set request-body.lua'],
  ],
  ['a map that HAProxy cannot load', { ...good, maps: { hosts: 'a.test\n', suspended: '' } }, ['set hosts.map']],
  ['rows of a map', { ...good, maps: { hosts: 'a.test 20001\n', suspended: '1 1\n' } }, []],
  [
    'a renewed certificate',
    { ...good, certificates: { ...certificates, served: [a, { ...b, digest: '2'.repeat(64) }] } },
    ['set /c/b.pem', 'set haproxy.cfg', 'reload process'],
  ],
  [
    'another certificate that only HAProxy refuses',
    {
      ...good,
      certificates: { ...certificates, refused: [{ ...refuseCertificate('/c/x.pem', {}), digest: a.digest }] },
    },
    ['set certificates.crt-list', 'set haproxy.cfg.good'],
  ],
]
for (const [title, observed, expected] of differences) {
  void t.test(`planConfig() handles ${title}`, async (t) => {
    t.strictSame(titles(observed), expected)
  })
}

void t.test(
  'planConfig() refuses one certificate without a change to the rest, and configTargets() names it',
  async (t) => {
    const refused = [refuseCertificate('/c/x.pem', { detail: 'no' })]
    const observed = { ...good, certificates: { ...certificates, refused } }
    t.strictSame(planConfig(spec, observed).changes, [])
    t.strictSame(planConfig(spec, observed).refused, refused)
    t.strictSame(configTargets(observed), ['haproxy.cfg', 'process', a.path, b.path, '/c/x.pem'])
  },
)
