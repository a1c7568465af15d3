import t from 'tap'
import { readBundle, renderBundle, sameBundle } from '../../src/config/bundle.ts'
import { refuseCertificate } from '../../src/config/certificates.ts'
import { createContext } from '../../src/context.ts'
import { createHost } from '@puppy/host'
import { makeCertificate, range, skipTls, testFolder } from '../support/proxy.ts'

const settings = { runFolder: '/r', listen: ['127.0.0.1:80'], connectionsPerTenant: 5, ...range }

void t.test('renderBundle() leaves out what cannot be served and what it is told to', { skip: skipTls }, async (t) => {
  const folder = testFolder(t)
  for (const name of ['a', 'b']) makeCertificate(`${folder}/${name}.pem`, [`${name}.test`])
  const tls = { listen: ['127.0.0.1:443'], certificates: folder }
  const context = createContext(createHost(), { ...settings, folder: `${folder}/f`, tls })
  const whole = await renderBundle(context)
  t.match(whole.crtList, /a\.pem\n# [0-9a-f]{64}\n.*b\.pem\n$/)
  const without = await renderBundle(context, [refuseCertificate(`${folder}/a.pem`, { detail: 'no' })])
  t.notMatch(without.crtList, /a\.pem/)
  t.strictSame(
    without.refused.map(({ path, error }) => [path, error.facts.detail]),
    [[`${folder}/a.pem`, 'no']],
  )
  t.not(whole.config, without.config)
})

void t.test('readBundle() is undefined before the first time', async (t) => {
  const folder = testFolder(t)
  const context = createContext(createHost(), { ...settings, folder })
  t.equal(await readBundle(context), undefined)
  await context.host.replace(context.files.config, 'x')
  t.strictSame(await readBundle(context), { config: 'x' })
})

void t.test('sameBundle() compares both texts', async (t) => {
  t.ok(sameBundle(undefined, undefined))
  t.ok(sameBundle({ config: 'a', crtList: 'b' }, { config: 'a', crtList: 'b' }))
  t.notOk(sameBundle({ config: 'a' }, { config: 'a', crtList: '' }))
  t.notOk(sameBundle({ config: 'a' }, undefined))
})
