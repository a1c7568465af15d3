import fc from 'fast-check'
import t from 'tap'
import { busyAddresses, messagesOf, parseDiagnostics } from '../src/diagnostics.ts'

// haproxy 2.6.12-1+deb12u4 on Debian 12: haproxy -W -D -f … with both ports taken
const said = `[NOTICE]   (17442) : haproxy version is 2.6.12-1+deb12u4
[NOTICE]   (17442) : path to executable is /usr/sbin/haproxy
[WARNING]  (17442) : config : Proxy 'web': no SSL certificate specified for bind '127.0.0.1:18443' at [/x/haproxy.cfg:28], ssl connections will fail (use 'crt').
[ALERT]    (17442) : Binding [/x/haproxy.cfg:27] for frontend web: cannot bind socket (Address already in use) for [127.0.0.1:18080]
[ALERT]    (17442) : [haproxy.main()] Some protocols failed to start their listeners! Exiting.
`

void t.test('parseDiagnostics() returns level, message and line', async (t) => {
  const found = parseDiagnostics(said)
  t.strictSame(
    found.map(({ level, line }) => [level, line]),
    [
      ['warning', 28],
      ['alert', 27],
      ['alert', undefined],
    ],
  )
  t.matchOnlyStrict(messagesOf(found, 'warning'), [/^config : Proxy 'web'/])
})

void t.test('parseDiagnostics() appends a continued line to the message before it', async (t) => {
  const [first] = parseDiagnostics('[ALERT]    (1) : config : parsing [x.cfg:3] :\n  unknown word\n')
  t.equal(first?.message, 'config : parsing [x.cfg:3] : unknown word')
})

void t.test('busyAddresses() returns the addresses that HAProxy could not bind', async (t) => {
  t.strictSame(busyAddresses(messagesOf(parseDiagnostics(said), 'alert')), ['127.0.0.1:18080'])
  // haproxy 3.0.11-1+deb13u4
  const later =
    '[ALERT]    (1) : Binding [/x/haproxy.cfg:9] for frontend web: cannot bind socket (Address already in use) for [:::80].'
  t.strictSame(busyAddresses(messagesOf(parseDiagnostics(later), 'alert')), [':::80'])
  t.strictSame(busyAddresses(['cannot bind socket (Permission denied) for [:::80]']), [])
})

void t.test('parseDiagnostics() never throws', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.ok(Array.isArray(parseDiagnostics(text)))
      t.equal(parseDiagnostics(`[ALERT] (1) : ${text.replaceAll('\n', ' ').replaceAll('\r', ' ')}`).length, 1)
    }),
  )
})
