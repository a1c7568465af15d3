import { createHash } from 'node:crypto'
import { encodeWord } from '../encode.ts'
import { assertSettings, proxyFiles, type ProxySettings } from '../settings.ts'
import { parseListen, renderListen } from '../listen.ts'

/** Facts of the machine that the text depends on. */
export interface ConfigFacts {
  /** Whether the machine has IPv6. This decides how `:80` is rendered. Default true. */
  readonly ipv6?: boolean
  /** The text of the crt-list. It is used only for the description, so that a changed certificate changes the configuration. */
  readonly crtList?: string
}

/**
 * Renders `haproxy.cfg`. Pure. The size does not depend on the number of tenants, because tenants are rows of two maps.
 *
 * The names of the maps and of the crt-list are relative to the folder of the configuration (`default-path config`). The same bytes can
 * therefore be checked in a staging folder and used in the real one. `description` contains a digest of the rest of the text and of the
 * crt-list. The runtime socket reports it (`show info`), which shows which configuration really runs.
 *
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID`
 * @see HAProxy configuration manual, 3 "Global parameters", 4 "Proxies", 3.5 "Peers"
 */
export function renderConfig(settings: ProxySettings, facts: ConfigFacts = {}): string {
  assertSettings(settings)
  const rest = [peers(settings), defaults, frontend(settings, facts.ipv6 ?? true), backends(settings)]
  const text = `${global(settings)}\n${rest.join('\n')}`
  const digest = createHash('sha256')
    .update(text)
    .update(facts.crtList ?? '')
    .digest('hex')
    .slice(0, 16)
  return text.replace('description puppy', `description puppy-${digest}`)
}

/** Returns the `description` of a rendered configuration, or undefined when the text is not from `renderConfig`. */
export function configDescription(text: string): string | undefined {
  return /(?:^|\n) {2}description (puppy-[0-9a-f]{16})(?:\n|$)/.exec(text)?.[1]
}

/**
 * Returns the addresses of these settings that a rendered configuration does not listen on. Pure.
 *
 * A port that the configuration binds on another address is not returned: a reload hands it over.
 */
export function addressesMissing(settings: Pick<ProxySettings, 'listen' | 'tls'>, text: string): readonly string[] {
  const bound = new Set(
    [...text.matchAll(/(?<![^\n]) {2}bind \S*:([0-9]+)(?=[ \n]|$)/g)].map((line) => Number(line[1])),
  )
  return [...settings.listen, ...(settings.tls?.listen ?? [])].filter((address) => {
    const parsed = parseListen(address)
    return parsed !== undefined && !bound.has(parsed.port)
  })
}

/**
 * HAProxy reads every certificate authority of the system for its own HTTP client, in each check and each start. This takes two thirds of
 * a check (`npm run bench -- haproxy`), and causes 150 denials where SELinux confines HAProxy. This configuration does not use that client.
 */
const noClient = ['.if feature(OPENSSL)', 'httpclient.ssl.verify none', '.endif']

/**
 * `noreuseport`: with SO_REUSEPORT a second HAProxy of the same user on the same port starts without an error, and the
 * kernel distributes the connections between the two. A reload hands over the sockets and does not need SO_REUSEPORT.
 */
function global(settings: ProxySettings): string {
  const { socket } = proxyFiles(settings)
  return section('global', [
    'default-path config',
    'description puppy',
    ...(settings.user === undefined ? [] : [`user ${encodeWord(settings.user)}`]),
    ...(settings.group === undefined ? [] : [`group ${encodeWord(settings.group)}`]),
    'fd-hard-limit 65536',
    'noreuseport',
    'hard-stop-after 30m',
    'mworker-max-reloads 4',
    `stats socket ${encodeWord(socket)} mode 600 level admin`,
    'stats maxconn 64',
    'stats timeout 60s',
    ...noClient,
    ...(settings.tls === undefined
      ? []
      : ['ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets', 'ssl-load-extra-files none']),
  ])
}

/**
 * The old worker sends its counters to the new one over this socket, as the user that it has changed to. The mode of the folder keeps other
 * users out. The socket itself cannot belong to that user, because SELinux does not allow HAProxy to change the owner of a file.
 */
function peers(settings: ProxySettings): string {
  const path = encodeWord(`unix@${proxyFiles(settings).peers}`)
  return section('peers puppy', [`bind ${path} mode 666`, 'server puppy'])
}

const answers: readonly (readonly [status: number, body: string])[] = [
  [400, 'Bad request'],
  [408, 'Request timeout'],
  [500, 'Internal server error'],
  [502, 'Bad gateway'],
  [503, 'Service unavailable'],
  [504, 'Gateway timeout'],
]

/** Without `contstats`, bytes are counted only when a stream ends. With retries, a request to a dead tenant takes seconds. */
const defaults = section('defaults', [
  'mode http',
  'option contstats',
  'retries 0',
  'timeout connect 2s',
  'timeout client 60s',
  'timeout client-fin 10s',
  'timeout server 60s',
  'timeout server-fin 10s',
  'timeout http-request 10s',
  'timeout http-keep-alive 15s',
  'timeout tunnel 1h',
  ...answers.map(([status, body]) => `http-error status ${status} ${plain(body)}`),
])

function frontend(settings: ProxySettings, ipv6: boolean): string {
  return section('frontend web', [
    ...binds(settings.listen, ipv6).map((address) => `bind ${address}`),
    ...binds(settings.tls?.listen ?? [], ipv6).map((address) => `bind ${address} ${tlsOptions}`),
    ...findTenant(settings),
    ...limitTenant(settings),
    ...forwardHeaders,
    ...countAnswers,
    'default_backend tenant',
  ])
}

/** `strict-sni`: a name without a certificate ends the handshake. Otherwise HAProxy would send the certificate of another tenant. */
const tlsOptions = 'ssl crt-list certificates.crt-list strict-sni alpn h2,http/1.1'

function binds(addresses: readonly string[], ipv6: boolean): readonly string[] {
  return addresses
    .map((address) => parseListen(address))
    .filter((address) => address !== undefined)
    .map((address) => renderListen(address, ipv6))
}

/**
 * Uses `fhdr`, because `hdr` splits at commas and would serve `Host: a.test,b.test` as b.test. A port outside the range of the tenants is
 * answered like an unknown host, even when the map contains it.
 */
function findTenant({ firstPort, portsPerSlot, slots }: ProxySettings): readonly string[] {
  const lastPort = firstPort + slots * portsPerSlot - 1
  return [
    'http-request set-var(txn.host) req.fhdr(host),field(1,:),rtrim(.),lower',
    `http-request return status 421 ${plain('Misdirected request')} if { ssl_fc } !{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }`,
    'http-request set-var(txn.port) var(txn.host),map_str_int(hosts.map)',
    `http-request return status 404 ${plain('Not found')} unless { var(txn.port) -m int ${firstPort}:${lastPort} }`,
    `http-request set-var(txn.slot) var(txn.port),sub(${firstPort}),div(${portsPerSlot})`,
    `http-request return status 503 ${plain('Suspended')} if { var(txn.slot),map_int(suspended.map) -m found }`,
  ]
}

function limitTenant({ connectionsPerTenant }: ProxySettings): readonly string[] {
  return [
    'http-request track-sc0 var(txn.slot) table tenants',
    `http-request return status 503 ${plain('Service unavailable')} if { sc_conn_cur(0) gt ${connectionsPerTenant} }`,
  ]
}

/** CGI-like frameworks treat `_` and `-` in header names alike, and turn the header `Proxy` into HTTP_PROXY (httpoxy). */
const forwardHeaders: readonly string[] = [
  // `-m beg` and not a regular expression: HAProxy would compile that to machine code, which SELinux does not allow.
  'http-request del-header forwarded -m beg',
  'http-request del-header x-forwarded -m beg',
  'http-request del-header x_forwarded -m beg',
  'http-request del-header proxy',
  'http-request set-header X-Forwarded-For %[src]',
  'http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]',
  'http-request set-header X-Forwarded-Host %[req.fhdr(host)]',
]

const countAnswers: readonly string[] = [2, 3, 4, 5].map(
  (hundred, index) => `http-response sc-inc-gpc(${index},0) if { status ${hundred}00:${hundred}99 }`,
)

function backends({ slots }: ProxySettings): string {
  const stored = 'gpc(4),http_req_cnt,http_fail_cnt,bytes_in_cnt,bytes_out_cnt,conn_cur'
  return [
    section('backend tenant', [
      'http-request set-dst str(127.0.0.1)',
      'http-request set-dst-port var(txn.port)',
      'server any 0.0.0.0:0',
    ]),
    section('backend tenants', [`stick-table type integer size ${slots} peers puppy store ${stored}`]),
  ].join('\n')
}

function plain(body: string): string {
  return `content-type text/plain string "${body}\\n"`
}

function section(head: string, lines: readonly string[]): string {
  return `${head}\n${lines.map((line) => `  ${line}\n`).join('')}`
}
