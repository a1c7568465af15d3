import { matchWhole } from '@puppy/host/testing'
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { createHost } from '@puppy/host'
import {
  findCertificateFault,
  parseCrtList,
  readCertificates,
  refuseCertificate,
  renderCrtList,
} from '../../src/config/certificates.ts'
import { makeCertificate, skipTls, testFolder } from '../support/proxy.ts'

void t.test('findCertificateFault() returns why HAProxy could not serve a file', { skip: skipTls }, async (t) => {
  const folder = testFolder(t)
  makeCertificate(`${folder}/a.pem`, ['a.test'])
  makeCertificate(`${folder}/b.pem`, ['b.test'])
  const [a, b] = ['a', 'b'].map((name) => readFileSync(`${folder}/${name}.pem`, 'utf8')) as [string, string]
  const certificate = (pem: string) => pem.slice(0, pem.indexOf('-----BEGIN PRIVATE'))
  const key = (pem: string) => pem.slice(pem.indexOf('-----BEGIN PRIVATE'))
  t.equal(findCertificateFault(a), undefined)
  t.match(findCertificateFault(certificate(a)), /cannot be read/)
  t.match(findCertificateFault(key(a)), /no certificate/)
  t.match(findCertificateFault(certificate(a) + key(b)), /key does not belong to its certificate/)
  t.match(findCertificateFault(a.replace(/[A-Za-z]{4}\n/, '\n')), /cannot be read|does not belong/)
  t.match(findCertificateFault(''), /no certificate/)
})

void t.test(
  'readCertificates() serves valid files and refuses invalid ones with a reason',
  { skip: skipTls },
  async (t) => {
    const folder = testFolder(t)
    makeCertificate(`${folder}/b.pem`, ['b.test'])
    makeCertificate(`${folder}/a.pem`, ['a.test'])
    makeCertificate(`${folder}/with blank.pem`, ['c.test'])
    writeFileSync(`${folder}/broken.pem`, 'nonsense')
    writeFileSync(`${folder}/readme.txt`, 'not a certificate')
    const { served, refused } = await readCertificates(createHost(), [folder])
    t.strictSame(
      served.map(({ path }) => path),
      [`${folder}/a.pem`, `${folder}/b.pem`],
    )
    matchWhole(t, refused, [
      {
        target: `${folder}/broken.pem`,
        error: { code: 'HAPROXY_CERTIFICATE_INVALID', message: /contains no certificate/ },
      },
      { target: `${folder}/with blank.pem`, error: { code: 'HAPROXY_CERTIFICATE_INVALID', message: /crt-list/ } },
    ])
  },
)

void t.test('readCertificates() returns no certificate for a folder that does not exist', async (t) => {
  t.strictSame(await readCertificates(createHost(), [`${testFolder(t)}/none`]), { served: [], refused: [] })
})

void t.test('renderCrtList() renders the digest and the path of a certificate', async (t) => {
  const listOf = (path: string, digest: string) => renderCrtList({ served: [{ path, digest }], refused: [] })
  t.equal(listOf('/c/a.pem', '01ab'), '# 01ab\n/c/a.pem\n')
  t.throws(() => listOf('/c/a b.pem', '01'), { code: 'HAPROXY_NOT_ENCODABLE' })
})

void t.test(
  'readCertificates() reads files and folders, each file once, and refuses a file that does not exist',
  async (t) => {
    const folder = testFolder(t)
    writeFileSync(`${folder}/a.pem`, 'nonsense')
    const entries = [`${folder}/none.pem`, `${folder}/a.pem`, folder]
    const { served, refused } = await readCertificates(createHost(), entries)
    t.strictSame(served, [])
    t.strictSame(
      refused.map(({ target, error }) => [target, error.facts.detail]),
      [
        [`${folder}/none.pem`, 'it does not exist'],
        [`${folder}/a.pem`, 'it contains no certificate'],
      ],
    )
  },
)

void t.test('parseCrtList() reads what renderCrtList() wrote: served, and refused by HAProxy', async (t) => {
  const [one, other] = ['0'.repeat(64), '1'.repeat(64)]
  const odd = { ...refuseCertificate('/c/odd.pem', { detail: 'no' }), digest: other }
  const broken = refuseCertificate('/c/broken.pem', { detail: 'no' })
  const list = renderCrtList({ served: [{ path: '/c/a.pem', digest: one }], refused: [odd, broken] })
  const { served, refused } = parseCrtList(list)
  t.strictSame([...served], [['/c/a.pem', one]])
  t.strictSame([...refused], [['/c/odd.pem', other]])
  t.equal(list.includes('broken'), false, 'only a refusal by HAProxy is written')
})

void t.test(
  'readCertificates() refuses again what HAProxy refused, until the file changes',
  { skip: skipTls },
  async (t) => {
    const folder = testFolder(t)
    makeCertificate(`${folder}/a.pem`, ['a.test'])
    const [first] = (await readCertificates(createHost(), [folder])).served
    const known = parseCrtList(`# refused ${first?.digest} ${folder}/a.pem\n`)
    const again = await readCertificates(createHost(), [folder], known)
    t.strictSame(again.served, [])
    t.strictSame(
      again.refused.map(({ target, digest }) => [target, digest]),
      [[`${folder}/a.pem`, first?.digest]],
    )
    makeCertificate(`${folder}/a.pem`, ['a.test'])
    t.equal((await readCertificates(createHost(), [folder], known)).served.length, 1)
  },
)
