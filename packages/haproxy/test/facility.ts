import { mkdtempSync, rmSync } from 'node:fs'
import t from 'tap'
import { createHost, type Host } from '@puppy/host'
import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { openHaproxy } from '../src/haproxy.ts'
import { configSubject, routeSubject, type Place } from './support/subject.ts'
import { freePort, makeCertificate, skip, skipTls } from './support/proxy.ts'

t.setTimeout(600_000)

/** A folder and a port of loopback, for one world on this machine. */
async function createPlace(): Promise<Place> {
  const base = mkdtempSync('/tmp/puppy-hx-')
  return {
    host: createHost(),
    location: { folder: `${base}/f`, runFolder: `${base}/r` },
    port: await freePort(),
    base,
    close: async () => rmSync(base, { recursive: true, force: true }),
  }
}

const certificates = mkdtempSync('/tmp/puppy-hx-certs-')
t.teardown(() => rmSync(certificates, { recursive: true, force: true }))
if (skipTls === false) for (const name of ['a', 'b']) makeCertificate(`${certificates}/${name}.pem`, [`${name}.test`])

for (const { name, run } of facilityChecks(configSubject({ createPlace, certificates }))) {
  void t.test(`config: ${name}`, { skip: skipTls }, run)
}
for (const { name, run } of facilityChecks(routeSubject({ createPlace, count: 2 }))) {
  void t.test(`routes, row by row: ${name}`, { skip }, run)
}
for (const { name, run } of facilityChecks(routeSubject({ createPlace, count: 250 }))) {
  void t.test(`routes, all at once: ${name}`, { skip }, run)
}

void t.test('ensure() tries a change set again only when the machine moved', async (t) => {
  const host: Host = { ...createHost(), program: () => undefined }
  const base = mkdtempSync('/tmp/puppy-hx-')
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const haproxy = openHaproxy(host, { folder: `${base}/f`, runFolder: `${base}/r` })
  const spec = { listen: ['127.0.0.1:1'], connectionsPerTenant: 1, firstPort: 1, portsPerSlot: 1, slots: 1 }
  await t.rejects(haproxy.config.ensure(spec), { code: 'HAPROXY_NOT_INSTALLED' })
})
