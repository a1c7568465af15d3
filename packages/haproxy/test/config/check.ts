import { matchWhole } from '@puppy/host/testing'
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { readCertificates } from '../../src/config/certificates.ts'
import { checkBundle, findBlamed, removeStaged, type CheckedBundle } from '../../src/config/check.ts'
import { hasIpv6 } from '../../src/config/read.ts'
import { makeFolders, type ProxyContext } from '../../src/context.ts'
import { freePort } from '@puppy/host/testing'
import { makeCertificate, skip, skipTls, testFolder, testProxy } from '../support/proxy.ts'

void t.test('checkBundle() accepts a valid configuration and leaves no files behind', { skip }, async (t) => {
  const { context } = await testProxy(t)
  await makeFolders(context)
  const checked = await check(context)
  t.strictSame(checked.refused, [])
  t.strictSame(await context.host.list(context.settings.folder), [])
})

void t.test('checkBundle() throws the message of HAProxy, with the path of the installed file', { skip }, async (t) => {
  const { context } = await testProxy(t, { user: 'no-such-user' })
  await makeFolders(context)
  const error = await check(context).catch((reason: unknown) => reason)
  t.match(error, { code: 'HAPROXY_CONFIG_INVALID' })
  t.match(String(error), /no-such-user/)
  t.match(String(error), `${context.files.config}:`)
  t.notMatch(String(error), /staged/)
  t.equal(await context.host.status(context.files.staged), undefined)
})

void t.test('checkBundle() also checks the maps', { skip }, async (t) => {
  const { context } = await testProxy(t)
  await makeFolders(context)
  await context.host.replace(context.files.hosts, 'a.test no-port\n')
  await t.rejects(check(context), { code: 'HAPROXY_CONFIG_INVALID', message: /no-port|hosts\.map/ })
})

void t.test('checkBundle() leaves out a certificate that only HAProxy refuses', { skip: skipTls }, async (t) => {
  const certificates = testFolder(t)
  const { context } = await testProxy(t, {
    tls: { listen: [`127.0.0.1:${await freePort()}`], certificates: [certificates] },
  })
  await makeFolders(context)
  makeCertificate(`${certificates}/good.pem`, ['good.test'])
  makeCertificate(`${certificates}/odd.pem`, ['odd.test'])
  // Our own check reads the first certificate and the key. HAProxy reads the whole chain.
  const odd = readFileSync(`${certificates}/odd.pem`, 'utf8')
  const chain = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  writeFileSync(`${certificates}/odd.pem`, odd.replace('-----BEGIN PRIVATE', `${chain}-----BEGIN PRIVATE`))
  const checked = await check(context)
  matchWhole(t, checked.refused, [{ target: `${certificates}/odd.pem`, error: { facts: { said: /odd\.pem/ } } }])
  t.match(checked.refused[0]?.digest, /^[0-9a-f]{64}$/)
  t.match(checked.crtList, /good\.pem/)
  t.notMatch(checked.crtList, /^[^#].*odd\.pem/m)
})

void t.test('findBlamed() returns the longest path that a message names', async (t) => {
  const paths = ['/c/good.pem', '/c/good.pem:old.pem', '/c/other.pem']
  const rows: [alert: string, blamed: readonly string[]][] = [
    ["unable to load chain certificate into SSL Context '/c/good.pem'.", ['/c/good.pem']],
    ["unable to load chain certificate into SSL Context '/c/good.pem:old.pem'.", ['/c/good.pem:old.pem']],
    ["'/c/good.pem:old.pem' and '/c/other.pem'", ['/c/good.pem:old.pem', '/c/other.pem']],
    ['/c/other.pem: no certificate', ['/c/other.pem']],
    ["'/c/others.pem'", []],
  ]
  for (const [alert, blamed] of rows) t.strictSame(findBlamed(paths, alert), blamed, alert)
})

void t.test(
  'config.ensure() leaves out weak certificates beside good ones, and the second call changes nothing',
  { skip: skipTls },
  async (t) => {
    const certificates = testFolder(t)
    const tls = { listen: [`127.0.0.1:${await freePort()}`], certificates: [certificates] }
    const { haproxy, context } = await testProxy(t, { tls })
    makeCertificate(`${certificates}/good.pem`, ['good.test'])
    makeCertificate(`${certificates}/good.pem:weak.pem`, ['weak.test'], ['rsa:1024'])
    const ensure = () => haproxy.config.ensure(context.settings)
    const refused = (results: Awaited<ReturnType<typeof ensure>>['results']) =>
      results.filter(({ error }) => error !== undefined).map(({ target }) => target)
    t.strictSame(refused((await ensure()).results), [`${certificates}/good.pem:weak.pem`])
    const again = await ensure()
    t.strictSame(again.changes, [])
    t.strictSame(refused(again.results), [`${certificates}/good.pem:weak.pem`])
  },
)

void t.test('removeStaged() removes the folder that a killed process left behind', async (t) => {
  const { context } = await testProxy(t)
  await makeFolders(context)
  await context.host.makeFolder(context.files.staged)
  await context.host.replace(`${context.files.staged}/.puppy-0123.tmp`, 'x')
  await removeStaged(context)
  t.equal(await context.host.status(context.files.staged), undefined)
})

async function check(context: ProxyContext): Promise<CheckedBundle> {
  const certificates = await readCertificates(context.host, context.settings.tls?.certificates ?? [])
  return checkBundle(context, certificates, hasIpv6())
}
