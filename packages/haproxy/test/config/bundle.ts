import t from 'tap'
import { readBundle, readGood, renderBundle, sameBundle } from '../../src/config/bundle.ts'
import { refuseCertificate } from '../../src/config/certificates.ts'
import { createContext } from '../../src/context.ts'
import { createHost } from '@puppy/host'
import { range, testFolder } from '../support/proxy.ts'

const settings = { runFolder: '/r', listen: ['127.0.0.1:80'], connectionsPerTenant: 5, ...range }

void t.test('renderBundle() derives the description from the served certificates only', async (t) => {
  const tls = { listen: ['127.0.0.1:443'], certificates: ['/c'] }
  const withTls = { ...settings, folder: '/f', tls }
  const [a, b] = [
    { path: '/c/a.pem', digest: '0'.repeat(64) },
    { path: '/c/b.pem', digest: '1'.repeat(64) },
  ]
  const odd = { ...refuseCertificate(a.path, { detail: 'no' }), digest: a.digest }
  const whole = renderBundle(withTls, { served: [a, b], refused: [] }, true)
  const left = renderBundle(withTls, { served: [b], refused: [odd] }, true)
  const none = renderBundle(withTls, { served: [b], refused: [] }, true)
  t.equal(whole.crtList, `# ${a.digest}\n/c/a.pem\n# ${b.digest}\n/c/b.pem\n`)
  t.equal(left.crtList, `# ${b.digest}\n/c/b.pem\n# refused ${a.digest} /c/a.pem\n`)
  t.not(whole.config, left.config)
  t.equal(left.config, none.config)
  t.equal(renderBundle({ ...settings, folder: '/f' }, { served: [a], refused: [] }, true).crtList, undefined)
})

void t.test('readBundle() and readGood() return undefined before the first installation', async (t) => {
  const folder = testFolder(t)
  const context = createContext(createHost(), { ...settings, folder })
  t.equal(await readBundle(context), undefined)
  t.equal(await readGood(context), undefined)
  await context.host.replace(context.files.config, 'x')
  await context.host.replace(context.files.goodConfig, 'y')
  t.strictSame(await readBundle(context), { config: 'x' })
  t.strictSame(await readGood(context), { config: 'y' })
})

void t.test('sameBundle() compares every text', async (t) => {
  t.ok(sameBundle(undefined, undefined))
  t.ok(sameBundle({ config: 'a', crtList: 'b' }, { config: 'a', crtList: 'b' }))
  t.notOk(sameBundle({ config: 'a' }, { config: 'a', crtList: '' }))
  t.notOk(sameBundle({ config: 'a', script: 'x' }, { config: 'a', script: 'y' }))
  t.notOk(sameBundle({ config: 'a' }, undefined))
})
