import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createHost } from '@puppy/host'
import { readCertificates, renderCrtList, whyNoCertificate } from '../../src/config/certificates.ts'
import { makeCertificate, skipTls, testFolder } from '../support/proxy.ts'

void t.test('whyNoCertificate() finds what HAProxy could not serve', { skip: skipTls }, async (t) => {
  const folder = testFolder(t)
  makeCertificate(`${folder}/a.pem`, ['a.test'])
  makeCertificate(`${folder}/b.pem`, ['b.test'])
  const [a, b] = ['a', 'b'].map((name) => readFileSync(`${folder}/${name}.pem`, 'utf8')) as [string, string]
  const certificate = (pem: string) => pem.slice(0, pem.indexOf('-----BEGIN PRIVATE'))
  const key = (pem: string) => pem.slice(pem.indexOf('-----BEGIN PRIVATE'))
  t.equal(whyNoCertificate(a), undefined)
  t.match(whyNoCertificate(certificate(a)), /cannot be read/)
  t.match(whyNoCertificate(key(a)), /no certificate/)
  t.match(whyNoCertificate(certificate(a) + key(b)), /belongs to another/)
  t.match(whyNoCertificate(a.replace(/[A-Za-z]{4}\n/, '\n')), /cannot be read|belongs/)
  t.match(whyNoCertificate(''), /no certificate/)
})

void t.test('readCertificates() serves the good ones and says why not the others', { skip: skipTls }, async (t) => {
  const folder = testFolder(t)
  makeCertificate(`${folder}/b.pem`, ['b.test'])
  makeCertificate(`${folder}/a.pem`, ['a.test'])
  makeCertificate(`${folder}/with blank.pem`, ['c.test'])
  writeFileSync(`${folder}/broken.pem`, 'nonsense')
  writeFileSync(`${folder}/readme.txt`, 'not a certificate')
  const { served, refused } = await readCertificates(createHost(), folder)
  t.strictSame(
    served.map(({ path }) => path),
    [`${folder}/a.pem`, `${folder}/b.pem`],
  )
  t.matchOnlyStrict(
    refused.map(({ path, error }) => [path, error.code, error.message]),
    [
      [`${folder}/broken.pem`, 'HAPROXY_CERTIFICATE_INVALID', /no certificate in it/],
      [`${folder}/with blank.pem`, 'HAPROXY_CERTIFICATE_INVALID', /crt-list/],
    ],
  )
})

void t.test('readCertificates() of a folder that is not there is none', async (t) => {
  t.strictSame(await readCertificates(createHost(), `${testFolder(t)}/none`), { served: [], refused: [] })
})

void t.test('renderCrtList() changes when a file does', async (t) => {
  const list = renderCrtList([{ path: '/c/a.pem', digest: '01ab' }])
  t.equal(list, '# 01ab\n/c/a.pem\n')
  t.throws(() => renderCrtList([{ path: '/c/a b.pem', digest: '01' }]), { code: 'HAPROXY_NOT_ENCODABLE' })
})
