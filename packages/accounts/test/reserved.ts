import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { parsePortLabels, parseServices, readReserved } from '../src/reserved.ts'

void t.test('parseServices() reads TCP ports', (t) => {
  const text =
    '# services\nnbd\t\t10809/tcp\t\t\t# Linux Network Block Device\nx 1/udp\nlow 0/tcp\nhigh 70000/tcp\nbare 5/tcp\n'
  t.strictSame(parseServices(text), [
    { first: 10_809, last: 10_809, owner: 'nbd' },
    { first: 5, last: 5, owner: 'bare' },
  ])
  t.end()
})

void t.test('parsePortLabels() reads lists and ranges of TCP ports', (t) => {
  const text = `SELinux Port Type              Proto    Port Number

memcache_port_t                tcp      11211
xserver_port_t                 tcp      6000-6020, 6100
dns_port_t                     udp      53
`
  t.strictSame(parsePortLabels(text), [
    { first: 11_211, last: 11_211, owner: 'memcache_port_t' },
    { first: 6000, last: 6020, owner: 'xserver_port_t' },
    { first: 6100, last: 6100, owner: 'xserver_port_t' },
  ])
  t.end()
})

void t.test('the parsers return only valid ports for any text', (t) => {
  const words = fc
    .array(fc.constantFrom('a_t ', 'tcp ', '-', ',', '99999', '7', ' ', '\n', '/tcp'))
    .map((a) => a.join(''))
  fc.assert(
    fc.property(fc.oneof(words, fc.string({ unit: 'binary' })), (text) =>
      [...parseServices(text), ...parsePortLabels(text)].every(
        ({ first, last }) => first > 0 && first <= last && last <= 65_535,
      ),
    ),
  )
  t.end()
})

void t.test('readReserved() runs no semanage without a policy', async (t) => {
  const root = t.testdir({ etc: { services: 'nbd 10809/tcp\n' } })
  t.strictSame(await readReserved(createHost({ root })), {
    services: [{ first: 10_809, last: 10_809, owner: 'nbd' }],
    labels: [],
    listeners: [],
    notes: [],
  })
})

void t.test('readReserved() leaves out types of Puppy and generic types', async (t) => {
  const stdout = 'puppy_x_port_t tcp 10240\nunreserved_port_t tcp 1024-32767\nsaphostctrl_port_t tcp 1128\n'
  const host = createFakeHost({
    files: { '/etc/selinux/config': '' },
    programs: { '/usr/sbin/semanage': () => ({ stdout }) },
  })
  t.strictSame((await readReserved(host)).labels, [{ first: 1128, last: 1128, owner: 'saphostctrl_port_t' }])
})

void t.test('readReserved() does not read labels that the caller passes', async (t) => {
  const host = createFakeHost({ files: { '/etc/selinux/config': '' } })
  const known = { labels: [{ first: 1, last: 2, owner: 'x_port_t' }], notes: ['as before'] }
  t.strictSame(await readReserved(host, { known }), { ...known, services: [], listeners: [] })
  t.strictSame(host.commands, [])
})

void t.test('readReserved() reports why it cannot read the labels', async (t) => {
  const files = { '/etc/selinux/config': '' }
  t.matchOnlyStrict((await readReserved(createFakeHost({ files }))).notes, [/not installed/])
  const programs = { '/usr/sbin/semanage': () => ({ exitCode: 1, stderr: 'no store' }) }
  t.matchOnlyStrict((await readReserved(createFakeHost({ files, programs }))).notes, [/no store/])
  const silent = { '/usr/sbin/semanage': () => ({ stdout: '' }) }
  t.matchOnlyStrict(
    (await readReserved(createFakeHost({ files, programs: silent }))).notes,
    [/unknown/],
    'semanage printed nothing',
  )
})
