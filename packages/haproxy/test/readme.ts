import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, runReadme, scratchFolder } from '@puppy/host/testing'
import t from 'tap'
import { makeCertificate, skipTls } from './support/proxy.ts'

void t.test('the program of the README serves, suspends and removes a route', { skip: skipTls }, async (t) => {
  const folder = scratchFolder(t)
  const certificates = join(folder, 'certificates')
  mkdirSync(certificates)
  makeCertificate(join(certificates, 'blog.pem'), ['blog.example.com'])
  const run = await runReadme(t, 'haproxy', {
    '/tmp/puppy-readme': folder,
    '/etc/puppy/certificates': certificates,
    18480: String(await freePort()),
    18443: String(await freePort()),
  })
  t.match(run, { code: 0, output: /target: 'blog\.example\.com', changed: true/ }, run.output)
})
