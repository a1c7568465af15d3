import { createHash } from 'node:crypto'
import { encodeWord } from '../encode.ts'
import { assertSettings, proxyFiles, visitorLimits, type ProxySettings } from '../settings.ts'
import { parseListen, renderListen } from '../listen.ts'
import { requestBodyScript } from './script.ts'

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
 * therefore be checked in a staging folder and used in the real one. `description` contains a digest of the rest of the text, of the
 * script and of the crt-list. The runtime socket reports it (`show info`), which shows which configuration really runs.
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
    .update(requestBodyScript)
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
 * `lua-load-per-thread`: with `lua-load`, the threads of HAProxy 2.6 share the objects of a filter and corrupt its memory. The path is absolute,
 * because HAProxy loads the script for the second thread after it has left the folder of the configuration.
 *
 * `noreuseport`: with SO_REUSEPORT a second HAProxy of the same user on the same port starts without an error, and the
 * kernel distributes the connections between the two. A reload hands over the sockets and does not need SO_REUSEPORT.
 */
function global(settings: ProxySettings): string {
  const { socket, script } = proxyFiles(settings)
  return section('global', [
    'default-path config',
    `lua-load-per-thread ${encodeWord(script)}`,
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

/**
 * Without `contstats`, bytes are counted only when a stream ends. With retries, a request to a dead tenant takes seconds.
 * `http-restrict-req-hdr-names` deletes `X_Forwarded_For` and `X.Forwarded.For`, which CGI and WSGI read as `X-Forwarded-For`.
 */
const defaults = section('defaults', [
  'mode http',
  'option contstats',
  'option http-restrict-req-hdr-names delete',
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
    ...limitConnections(settings),
    ...refuseMethods,
    ...readHost,
    ...findTenant(settings),
    ...limitRequests(settings),
    ...rebuildRequest,
    ...countAnswers,
    ...chooseBackend,
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

/** One visitor has a whole /64 of IPv6. HAProxy masks a mapped IPv4 address (`::ffff:192.0.2.1`) as IPv4. */
const source = 'src,ipmask(32,64)'

function limitConnections(settings: ProxySettings): readonly string[] {
  return [
    `tcp-request connection track-sc2 ${source} table connections`,
    `tcp-request connection reject if { sc_conn_cur(2) gt ${visitorLimits(settings).connectionsPerAddress} }`,
  ]
}

/** CONNECT asks for a tunnel. TRACE sends the headers that HAProxy sets back to the client. */
const refuseMethods: readonly string[] = [
  `http-request return status 501 ${plain('Not implemented')} if { method -m str CONNECT TRACE }`,
]

/**
 * Reads `name` or `name:port` from Host, which is also `:authority`. Sets `txn.host` to the name, in lower case and without a trailing dot.
 *
 * Uses `fhdr`, because `hdr` splits at commas and would serve `Host: a.test,b.test` as b.test.
 */
const readHost: readonly string[] = [
  'http-request set-var(txn.given) req.fhdr(host),lower',
  'http-request set-var(txn.host) var(txn.given),field(1,:),rtrim(.)',
]

/** Only characters of host names. `ltrim` and no regular expression: HAProxy would compile that to machine code, which SELinux does not allow. */
const isName = '{ var(txn.host),ltrim(abcdefghijklmnopqrstuvwxyz0123456789-.) -m len 0 }'
const isBare = '{ var(txn.given),strcmp(txn.host) 0 }'
const isDotted = '!{ var(txn.given) -m sub .. } { var(txn.given),rtrim(.),strcmp(txn.host) 0 }'
const port = 'var(txn.given),field(2,:,0)'
const hasPort = `!{ var(txn.given) -m sub .. } { ${port},ltrim(0123456789) -m len 0 } { ${port} -m len 1:5 } { ${port},add(0) 1:65535 }`

const refuse = `http-request return status 400 ${plain('Bad request')}`

/**
 * Answers 400 to every Host that is not a name, or a name and a port. The map alone does not refuse them: HAProxy compares texts only up to
 * a NUL. A port outside the range of the tenants is answered like an unknown host, even when the map contains it.
 */
function findTenant({ firstPort, portsPerSlot, slots }: ProxySettings): readonly string[] {
  const isRouted = `{ var(txn.port) -m int ${firstPort}:${firstPort + slots * portsPerSlot - 1} }`
  return [
    'http-request set-var(txn.port) var(txn.host),map_str_int(hosts.map)',
    `${refuse} unless ${isName}`,
    `${refuse} unless ${isBare} || ${isDotted} || ${hasPort}`,
    `http-request return status 421 ${plain('Misdirected request')} if { ssl_fc } !{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }`,
    `http-request return status 404 ${plain('Not found')} unless ${isRouted}`,
    `http-request set-var(txn.slot) var(txn.port),sub(${firstPort}),div(${portsPerSlot})`,
    `http-request return status 503 ${plain('Suspended')} if { var(txn.slot),map_int(suspended.map) -m found }`,
  ]
}

/** An address is judged before the tenant, so a refused request does not count as a request of the tenant. */
function limitRequests(settings: ProxySettings): readonly string[] {
  return [
    `http-request track-sc1 ${source} table requests`,
    `http-request return status 429 ${plain('Too many requests')} if { sc_conn_cur(1) gt ${visitorLimits(settings).requestsPerAddress} }`,
    'http-request track-sc0 var(txn.slot) table tenants',
    `http-request return status 503 ${plain('Service unavailable')} if { sc_conn_cur(0) gt ${settings.connectionsPerTenant} }`,
  ]
}

/**
 * The names by which a proxy reports the client, the host or the URL that it received. A tenant receives them only from HAProxy. HAProxy
 * itself writes `Connection` where HTTP/1.1 needs it, so a client cannot name another header in it.
 */
const refusedHeaders: readonly (readonly [name: string, match: 'str' | 'beg' | 'end'])[] = [
  ['x-forwarded', 'beg'], // X-Forwarded-For, -Host, -Port, -Proto, -Scheme, -Server, …
  ['forwarded', 'beg'],
  ['-ip', 'end'], // X-Real-IP, True-Client-IP, X-Cluster-Client-IP, CF-Connecting-IP, Fastly-Client-IP, …
  ['-ipv6', 'end'],
  ['clientip', 'end'],
  ['-addr', 'end'],
  ['x-original-', 'beg'], // X-Original-URL, X-Original-Host, X-Original-Forwarded-For
  ['x-rewrite-', 'beg'],
  ['-host', 'end'],
  ['-scheme', 'end'],
  ['proxy', 'beg'], // Proxy, which CGI turns into HTTP_PROXY (httpoxy), Proxy-Connection, …
  ['via', 'str'],
  ['connection', 'str'],
  ['keep-alive', 'str'],
  ['te', 'str'],
  ['trailer', 'str'],
  ['http2-settings', 'str'],
]

/**
 * An absolute URI becomes its path, and Host becomes the name that was routed, with its port. A rule runs only where something differs,
 * because a header that is set costs as much as seven rules that match nothing.
 */
const rebuildRequest: readonly string[] = [
  'http-request set-uri %[pathq] unless { url_beg / * } || { fc_http_major 2 }',
  'http-request set-uri / unless { url_beg / } || { fc_http_major 2 } || METH_OPTIONS { url * }',
  'http-request set-header Host %[var(txn.host)] unless { req.fhdr(host),strcmp(txn.host) 0 }',
  `http-request set-header Host %[var(txn.host)]:%[${port},add(0)] if !${isBare} { ${port} -m found }`,
  ...refusedHeaders.map(([name, match]) => `http-request del-header ${name}${match === 'str' ? '' : ` -m ${match}`}`),
  'http-request add-header X-Forwarded-For %[src]',
  'http-request add-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]',
  'http-request add-header X-Forwarded-Host %[req.fhdr(host)]',
]

const hasEnded = '{ internal.htx.has_eom }'
const endsWithHead = '{ internal.htx_blk.type(tail) HTX_BLK_EOH }'

/**
 * A websocket is the only upgrade. HAProxy turns the extended CONNECT of HTTP/2 into such a GET. A request that is more than a head has a body,
 * or is not complete; over HTTP/2, no header shows that a body follows.
 */
const chooseBackend: readonly string[] = [
  'use_backend tenant-websocket if { req.fhdr(upgrade) -i websocket } { req.fhdr_cnt(upgrade) 1 } METH_GET',
  `use_backend tenant-body unless ${hasEnded} ${endsWithHead}`,
  'default_backend tenant',
]

const countAnswers: readonly string[] = [2, 3, 4, 5].map(
  (hundred, index) => `http-response sc-inc-gpc(${index},0) if { status ${hundred}00:${hundred}99 }`,
)

const toTenant: readonly string[] = [
  'http-request set-dst str(127.0.0.1)',
  'http-request set-dst-port var(txn.port)',
  'server any 0.0.0.0:0',
]

/**
 * Another protocol in the extended CONNECT of HTTP/2 is refused, because bytes without a frame would follow. A tenant must not turn a connection
 * into a tunnel that the client did not ask for.
 */
const refuseUpgrade: readonly string[] = [
  `http-request return status 501 ${plain('Not implemented')} if { fc_http_major 2 } { req.fhdr(upgrade) -m found }`,
  'http-request del-header upgrade',
  `http-response return status 502 ${plain('Bad gateway')} if { status 101 }`,
]

/**
 * HAProxy frames a body for the tenant itself: a tenant may read `chunked,` or a number above 2^64 in another way, and HTTP/1.0 has no chunks.
 */
const checkBody: readonly string[] = [
  `${refuse} if { req.fhdr(transfer-encoding) -m found } HTTP_1.0`,
  `${refuse} if { req.fhdr(content-length) -m found } !{ req.fhdr(content-length) -m len 1:15 }`,
  'http-request set-header Transfer-Encoding chunked if { req.fhdr(transfer-encoding) -m found }',
]

/** A body would pass the filter of bodies by. Over HTTP/2, a tunnel never ends with the head. */
const checkWebsocket: readonly string[] = [
  `${refuse} if { fc_http_major 1 } !${hasEnded} || { fc_http_major 1 } !${endsWithHead}`,
  'http-request set-header Connection upgrade',
]

/** The backends `tenants`, `connections` and `requests` only hold a table. Lua runs only for a request that has a body. */
function backends(settings: ProxySettings): string {
  const stored = 'gpc(4),http_req_cnt,http_fail_cnt,bytes_in_cnt,bytes_out_cnt,conn_cur'
  const { bodyRate, bodyGrace } = visitorLimits(settings)
  const perAddress = 'stick-table type ipv6 size 100k expire 1m store conn_cur'
  return [
    section('backend tenant', [...refuseUpgrade, ...toTenant]),
    section('backend tenant-body', [
      `filter lua.request_body ${bodyRate} ${bodyGrace}`,
      ...checkBody,
      ...refuseUpgrade,
      ...toTenant,
    ]),
    section('backend tenant-websocket', [...checkWebsocket, ...toTenant]),
    section('backend tenants', [`stick-table type integer size ${settings.slots} peers puppy store ${stored}`]),
    section('backend connections', [perAddress]),
    section('backend requests', [perAddress]),
  ].join('\n')
}

function plain(body: string): string {
  return `content-type text/plain string "${body}\\n"`
}

function section(head: string, lines: readonly string[]): string {
  return `${head}\n${lines.map((line) => `  ${line}\n`).join('')}`
}
