import type { Field, RawHttp2 } from './raw-http2.ts'

/**
 * What a client sends, and what may pass. `site.test` is the tenant of the row. Bytes are characters of Latin-1.
 *
 * A tenant's headers are compared without their order, everything else byte by byte. Each request that passes has a connection of its own.
 */
export interface Row {
  readonly title: string
  /** The bytes over HTTP/1.1, in pieces that are sent one after the other; or a request over HTTP/2, with TLS. */
  readonly send: readonly string[] | RawHttp2
  /** The requests that the tenant receives. */
  readonly passes: readonly Passed[]
  /** A request that the tenant may receive whole, in part or not at all, because HAProxy may have sent a part before it refuses the rest. */
  readonly mayPass?: Passed
  /** The status of each answer. */
  readonly answers: readonly Answer[]
  /** What HAProxy 3.0.11 does instead, where its parser differs from that of 2.6. */
  readonly newer?: Pick<Row, 'passes' | 'answers'>
}

/** A status. `refused`: HAProxy's own parser refuses it, with a status of 400 or more, or by ending the stream or the connection. */
export type Answer = number | 'refused'

/** A request that reached the tenant. */
export interface Passed {
  /** The first line. */
  readonly line: string
  /** The headers besides `host`, which is `site.test`, and the three that HAProxy adds. Another `host` replaces it. */
  readonly headers?: readonly string[]
  readonly host?: string
  readonly body?: string
}

const get: Passed = { line: 'GET / HTTP/1.1' }
const chunkedPost = 'POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n'
const withLength: Passed = { line: 'POST / HTTP/1.1', headers: ['content-length: 3'], body: 'abc' }
const chunked: Passed = { line: 'POST / HTTP/1.1', headers: ['transfer-encoding: chunked'] }

function row(title: string, send: string | readonly string[], passes: readonly Passed[], answer: Answer): Row {
  const answers = passes.length > 1 ? passes.map(() => answer) : [answer]
  return { title, send: typeof send === 'string' ? [send] : send, passes, answers }
}

/** Returns a row that only HAProxy 2.6 lets pass. */
function passesOld(old: Row): Row {
  return { ...old, newer: { passes: [], answers: ['refused'] } }
}

/** Returns a row of a GET with this text after `Host:`. */
function host(text: string, answer: number, passed?: string): Row {
  const passes = passed === undefined ? [] : [{ ...get, host: passed }]
  return row(`Host:${JSON.stringify(text)}`, `GET / HTTP/1.1\r\nHost:${text}\r\n\r\n`, passes, answer)
}

/** Returns a row of a GET with these lines after Host. `passed` are the headers that the tenant receives of them. */
function lines(title: string, sent: readonly string[], passed: readonly string[] | undefined, answer = 200): Row {
  const head = ['GET / HTTP/1.1', 'Host: site.test', ...sent].join('\r\n')
  return row(title, `${head}\r\n\r\n`, passed === undefined ? [] : [{ ...get, headers: passed }], answer)
}

/** Returns a row of a POST with these lines after Host, and a body. */
function post(title: string, head: readonly string[], body: string, passes: readonly Passed[], answer: Answer): Row {
  return row(title, `${['POST / HTTP/1.1', 'Host: site.test', ...head].join('\r\n')}\r\n\r\n${body}`, passes, answer)
}

const hosts: readonly Row[] = [
  host(' site.test', 200, 'site.test'),
  host('\t SITE.test. ', 200, 'site.test'),
  host(' site.test:80', 200, 'site.test:80'),
  host(' Site.Test.:65535', 200, 'site.test:65535'),
  host(' site.test:080', 200, 'site.test:80'),
  host(' site.test:', 400),
  host(' site.test:0', 400),
  host(' site.test:65536', 400),
  host(' site.test:000080', 400),
  host(' site.test:18446744073709551696', 400),
  host(' site.test:+80', 400),
  host(' site.test:80@evil', 400),
  host(' site.test:@evil', 400),
  host(' site.test:80:81', 400),
  host(' site.test:80 evil', 400),
  host(' site.test evil', 400),
  host(' site.test..', 400),
  host(' .site.test', 404),
  host(' evil@site.test', 400),
  host(' site.test@evil', 400),
  host(' site.test/evil', 400),
  host(' site.test?evil', 400),
  host(' site.test#evil', 400),
  host(' site.test\\evil', 400),
  host(' site.test,evil.test', 400),
  host(' evil.test,site.test', 400),
  host(' site%2etest', 400),
  host(' site_test', 400),
  host(' s\u00efte.test', 400),
  host(' site.test\u00a0', 400),
  host(' [::1]', 400),
  host(' [::1]:80', 400),
  host(' *.test', 400),
  host(' site.test\0', 400),
  host(' site.test\x7f', 400),
  host(' evil.test', 404),
  host(' 127.0.0.1', 404),
  host('', 404),
  host(' site.test\0.evil', 400),
  host(' site.test:80\0', 400),
  host(' site.test\r\n evil.test', 400),
  row('no Host', 'GET / HTTP/1.0\r\n\r\n', [], 400),
  row('two equal Hosts', 'GET / HTTP/1.1\r\nHost: site.test\r\nhost: site.test\r\n\r\n', [get], 200),
  row('two Hosts', 'GET / HTTP/1.1\r\nHost: site.test\r\nHost: evil.test\r\n\r\n', [], 400),
  row('two Hosts with different ports', 'GET / HTTP/1.1\r\nHost: site.test\r\nHost: site.test:80\r\n\r\n', [], 400),
  row('a space after the name Host', 'GET / HTTP/1.1\r\nHost : site.test\r\n\r\n', [], 400),
]

/** Returns a row of a GET with this target and `Host: site.test`. */
function target(text: string, answer: number, passed?: string): Row {
  const passes = passed === undefined ? [] : [{ line: `GET ${passed} HTTP/1.1` }]
  return row(`the target ${JSON.stringify(text)}`, `GET ${text} HTTP/1.1\r\nHost: site.test\r\n\r\n`, passes, answer)
}

const targets: readonly Row[] = [
  target('/a?b=c%20d', 200, '/a?b=c%20d'),
  target('//evil.test/a', 200, '//evil.test/a'),
  target('/http://evil.test/', 200, '/http://evil.test/'),
  target('http://site.test/a?b', 200, '/a?b'),
  target('HTTP://SITE.test/a', 200, '/a'),
  target('http://site.test', 200, '/'),
  target('http://site.test?a', 400),
  target('https://site.test/a', 200, '/a'),
  target('http://site.test:80/a', 200, '/a'),
  target('http://evil.test/a', 400),
  target('http://evil@site.test/a', 200, '/a'),
  target('http://site.test@evil.test/a', 400),
  target('http://site.test:81/a', 400),
  target('site.test:80', 400),
  target('a', 400),
  passesOld(target('*', 200, '/')),
  target('/a#b', 400),
  target('/a b', 400),
  target('/a\\b', 200, '/a\\b'),
  target('/a\0b', 400),
  target('/\u00e9', 400),
  row('OPTIONS of the server', 'OPTIONS * HTTP/1.1\r\nHost: site.test\r\n\r\n', [{ line: 'OPTIONS * HTTP/1.1' }], 200),
]

const methods: readonly Row[] = [
  row('CONNECT', 'CONNECT site.test:80 HTTP/1.1\r\nHost: site.test:80\r\n\r\n', [], 501),
  row('CONNECT to another port', 'CONNECT site.test:22 HTTP/1.1\r\nHost: site.test\r\n\r\n', [], 400),
  row('CONNECT with a path', 'CONNECT / HTTP/1.1\r\nHost: site.test\r\n\r\n', [], 400),
  row('TRACE', 'TRACE / HTTP/1.1\r\nHost: site.test\r\n\r\n', [], 501),
  row('PROPFIND', 'PROPFIND / HTTP/1.1\r\nHost: site.test\r\n\r\n', [{ line: 'PROPFIND / HTTP/1.1' }], 200),
  row(
    'HTTP/1.0',
    'GET / HTTP/1.0\r\nHost: site.test\r\n\r\n',
    [{ line: 'GET / HTTP/1.0', headers: ['connection: keep-alive'] }],
    200,
  ),
  row('HTTP/0.9', 'GET /\r\n\r\n', [], 400),
  row('HTTP/1.2', 'GET / HTTP/1.2\r\nHost: site.test\r\n\r\n', [get], 200),
  row('HTTP/2 in the first line', 'GET / HTTP/2.0\r\nHost: site.test\r\n\r\n', [get], 200),
]

/** The names that a tenant receives only from HAProxy. */
export const forgedNames: readonly string[] = [
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'X-Forwarded-Port',
  'X-Forwarded-Server',
  'X-Forwarded-Scheme',
  'X-Forwarded-Prefix',
  'X-Forwarded-Ssl',
  'X-Forwarded',
  'X-ForwardedFor',
  'Forwarded',
  'Forwarded-For',
  'X-Original-Forwarded-For',
  'X-Original-Host',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Host',
  'X-HTTP-Host',
  'X-Real-IP',
  'X-Remote-IP',
  'X-Remote-Addr',
  'Remote-Addr',
  'X-Client-IP',
  'Client-IP',
  'True-Client-IP',
  'X-Cluster-Client-IP',
  'X-ProxyUser-IP',
  'X-Originating-IP',
  'CF-Connecting-IP',
  'CF-Connecting-IPv6',
  'Fastly-Client-IP',
  'Fly-Client-IP',
  'X-Azure-ClientIP',
  'X-Scheme',
  'X-Url-Scheme',
  'Proxy',
  'Proxy-Connection',
  'Proxy-Authorization',
  'Via',
  'Connection',
  'Keep-Alive',
  'TE',
  'Trailer',
  'HTTP2-Settings',
  'Upgrade',
]

/** Spellings of one name. CGI and WSGI read `_` and `-` alike, and some servers `.` too. */
function spellings(name: string): readonly string[] {
  return [name, name.toUpperCase(), name.toLowerCase(), name.replaceAll('-', '_'), name.replaceAll('-', '.')]
}

const headers: readonly Row[] = [
  ...forgedNames.map((name) =>
    lines(
      `forged ${name}`,
      spellings(name).map((spelling) => `${spelling}: evil`),
      [],
    ),
  ),
  ...forgedNames.map((name) => lines(`Connection that names ${name}`, [`Connection: ${name}`, `${name}: evil`], [])),
  lines(
    'names that are not forged',
    ['X-Forward: a', 'X-Zip: b', 'X-Request-Id: c', 'Cookie: d=e', 'X-IPFS-Path: f', 'Authorization: g', 'X-Url: h'],
    ['x-forward: a', 'x-zip: b', 'x-request-id: c', 'cookie: d=e', 'x-ipfs-path: f', 'authorization: g', 'x-url: h'],
  ),
  lines('Connection that names other headers', ['Connection: close, Cookie, Host', 'Cookie: a'], ['cookie: a']),
  lines('a name of other characters', ['X!A: 1', "X'B: 2", 'X~C: 3', 'X|D: 4', 'X-E: 5'], ['x-e: 5']),
  lines('a forged name before a space', ['X-Forwarded-For : evil'], undefined, 400),
  lines('a forged name after a space', [' X-Forwarded-For: evil'], undefined, 400),
  lines('a forged name in a folded line', ['A: b', ' X-Forwarded-For: evil'], ['a: b   X-Forwarded-For: evil']),
  lines('a forged name after a bare CR', ['A: b\rX-Forwarded-For: evil'], undefined, 400),
  lines('a forged name after a bare LF', ['A: b\nX-Forwarded-For: evil'], ['a: b']),
  passesOld(lines('a forged name after NUL', ['A: b\0X-Forwarded-For: evil'], ['a: b\0X-Forwarded-For: evil'])),
  lines('an empty name', [': evil'], undefined, 400),
  lines('a line without a colon', ['evil'], undefined, 400),
  row('lines that end with LF', 'GET / HTTP/1.1\nHost: site.test\nA: b\n\n', [{ ...get, headers: ['a: b'] }], 200),
  row('a first line that ends with CR', 'GET / HTTP/1.1\rHost: site.test\r\n\r\n', [], 400),
]

const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
/** HAProxy 3.0 deletes the other protocols itself, and the websocket passes. */
function withoutOthers(old: Row, path = '/'): Row {
  const headers = ['upgrade: websocket', 'connection: upgrade']
  return { ...old, newer: { passes: [{ line: `GET ${path} HTTP/1.1`, headers }], answers: [101] } }
}

const upgrades: readonly Row[] = [
  ...['websocket', 'WebSocket'].map((name) =>
    lines(
      `Upgrade: ${name}`,
      ['Connection: Upgrade', `Upgrade: ${name}`, key],
      [`upgrade: ${name}`, 'connection: upgrade'],
      101,
    ),
  ),
  lines(
    'a websocket that names headers',
    ['Connection: upgrade, X-Forwarded-For', 'Upgrade: websocket', key],
    ['upgrade: websocket', 'connection: upgrade'],
    101,
  ),
  row(
    'a tunnel that the client did not ask for',
    'GET /101 HTTP/1.1\r\nHost: site.test\r\n\r\n',
    [{ line: 'GET /101 HTTP/1.1' }],
    502,
  ),
  row(
    'a tunnel after a body',
    'POST /101 HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc',
    [{ ...withLength, line: 'POST /101 HTTP/1.1' }],
    502,
  ),
  row(
    'a tunnel of another protocol',
    'GET /101 HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    [{ line: 'GET /101 HTTP/1.1' }],
    502,
  ),
  withoutOthers(
    row(
      'a tunnel of another protocol beside a websocket',
      `GET /101 HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n${key}\r\n\r\n`,
      [{ line: 'GET /101 HTTP/1.1' }],
      502,
    ),
    '/101',
  ),
  lines('Upgrade: h2c', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'], []),
  lines('Upgrade: TLS/1.0', ['Connection: Upgrade', 'Upgrade: TLS/1.0'], []),
  withoutOthers(lines('Upgrade: websocket, h2c', ['Connection: Upgrade', 'Upgrade: websocket, h2c', key], [])),
  withoutOthers(lines('two Upgrades', ['Connection: Upgrade', 'Upgrade: h2c', 'Upgrade: websocket', key], [])),
  post(
    'a websocket by POST',
    ['Connection: Upgrade', 'Upgrade: websocket', key, 'Content-Length: 0'],
    '',
    [{ line: 'POST / HTTP/1.1', headers: ['content-length: 0'] }],
    200,
  ),
  passesOld(
    row(
      'a websocket with a body',
      `GET / HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\nContent-Length: 3\r\n\r\nabc`,
      [{ ...get, headers: ['content-length: 3'], body: 'abc' }],
      200,
    ),
  ),
  row(
    'a websocket with trailers',
    `GET / HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-For: evil\r\n\r\n`,
    [],
    400,
  ),
]

const smuggled = 'GET /evil HTTP/1.1\r\nHost: site.test\r\n\r\n'
const framing: readonly Row[] = [
  post('a body', ['Content-Length: 3'], 'abc', [withLength], 200),
  post(
    'a request in a body',
    [`Content-Length: ${smuggled.length}`],
    smuggled,
    [{ line: 'POST / HTTP/1.1', headers: [`content-length: ${smuggled.length}`], body: smuggled }],
    200,
  ),
  row(
    'a GET with a body',
    'GET / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 3\r\n\r\nabc',
    [{ ...get, headers: ['content-length: 3'], body: 'abc' }],
    200,
  ),
  row('chunks', `${chunkedPost}\r\n3\r\nabc\r\n0\r\n\r\n`, [{ ...chunked, body: '3\r\nabc\r\n0\r\n\r\n' }], 200),
  post(
    'Transfer-Encoding and Content-Length',
    ['Content-Length: 6', 'Transfer-Encoding: chunked'],
    '0\r\n\r\nG',
    [{ ...chunked, body: '0\r\n\r\n' }],
    200,
  ),
  post(
    'Content-Length and Transfer-Encoding',
    ['Transfer-Encoding: chunked', 'Content-Length: 5'],
    `0\r\n\r\n${smuggled}`,
    [{ ...chunked, body: '0\r\n\r\n' }],
    200,
  ),
  ...['xchunked', 'chunked, identity', 'identity', 'chunked;a=b', '\x0bchunked', '"chunked"', 'chunked\x0c'].map(
    (value) =>
      post(`Transfer-Encoding: ${JSON.stringify(value)}`, [`Transfer-Encoding: ${value}`], '0\r\n\r\n', [], 'refused'),
  ),
  ...['xchunked', 'identity', 'chunked, identity'].map((value) =>
    post(
      `Transfer-Encoding: ${value} with a length`,
      ['Content-Length: 5', `Transfer-Encoding: ${value}`],
      '0\r\n\r\n',
      [],
      'refused',
    ),
  ),
  ...['identity, chunked', 'gzip, chunked'].map((value) =>
    post(`Transfer-Encoding: ${JSON.stringify(value)}`, [`Transfer-Encoding: ${value}`], '0\r\n\r\n', [], 'refused'),
  ),
  passesOld(
    post(
      'Transfer-Encoding and a comma',
      ['Transfer-Encoding: chunked,'],
      '0\r\n\r\n',
      [{ ...chunked, body: '0\r\n\r\n' }],
      200,
    ),
  ),
  post(
    'Transfer-Encoding after a tab',
    ['Transfer-Encoding:\tchunked'],
    '0\r\n\r\n',
    [{ ...chunked, body: '0\r\n\r\n' }],
    200,
  ),
  post(
    'Transfer-Encoding in capitals',
    ['TRANSFER-ENCODING: CHUNKED'],
    '0\r\n\r\n',
    [{ ...chunked, body: '0\r\n\r\n' }],
    200,
  ),
  post(
    'two Transfer-Encodings',
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    '0\r\n\r\n',
    [],
    'refused',
  ),
  post(
    'two different Transfer-Encodings',
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    '0\r\n\r\n',
    [],
    'refused',
  ),
  post('a space after Transfer-Encoding', ['Transfer-Encoding : chunked'], '0\r\n\r\n', [], 'refused'),
  post(
    'Transfer-Encoding in a folded line',
    ['Transfer-Encoding:', ' chunked'],
    '0\r\n\r\n',
    [{ ...chunked, body: '0\r\n\r\n' }],
    200,
  ),
  post('Transfer_Encoding', ['Transfer_Encoding: chunked', 'Content-Length: 3'], 'abc', [withLength], 200),
  row(
    'chunks in HTTP/1.0',
    'POST / HTTP/1.0\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    [],
    'refused',
  ),
  row(
    'a GET with a body in HTTP/1.0',
    'GET / HTTP/1.0\r\nHost: site.test\r\nContent-Length: 3\r\n\r\nabc',
    [],
    'refused',
  ),
  post('two equal lengths', ['Content-Length: 3', 'Content-Length: 3'], 'abc', [withLength], 200),
  post('a list of equal lengths', ['Content-Length: 3, 3'], 'abc', [withLength], 200),
  ...['3, 4', '+3', '-3', '0x3', '3 3', '3.0', '', '3;', '18446744073709551619', '\u00b3'].map((value) =>
    post(`Content-Length: ${JSON.stringify(value)}`, [`Content-Length: ${value}`], 'abc', [], 'refused'),
  ),
  post('two different lengths', ['Content-Length: 3', 'Content-Length: 4'], 'abc', [], 'refused'),
  post(
    'an extension of a chunk',
    ['Transfer-Encoding: chunked'],
    '3;a=b\r\nabc\r\n0\r\n\r\n',
    [{ ...chunked, body: '3\r\nabc\r\n0\r\n\r\n' }],
    200,
  ),
  passesOld(
    post(
      'LF in an extension of a chunk',
      ['Transfer-Encoding: chunked'],
      '3;a\nabc\r\n0\r\n\r\n',
      [{ ...chunked, body: '3\r\nabc\r\n0\r\n\r\n' }],
      200,
    ),
  ),
  post('CR in an extension of a chunk', ['Transfer-Encoding: chunked'], '3;a\rb\r\nabc\r\n0\r\n\r\n', [], 'refused'),
  ...['zz', '+3', '0x3', '-1', '', ' 3', 'fffffffffffffffff'].map((size) =>
    post(
      `a chunk of the size ${JSON.stringify(size)}`,
      ['Transfer-Encoding: chunked'],
      `${size}\r\nabc\r\n0\r\n\r\n`,
      [],
      'refused',
    ),
  ),
  passesOld(
    post(
      'chunks that end with LF',
      ['Transfer-Encoding: chunked'],
      '3\nabc\n0\n\n',
      [{ ...chunked, body: '3\r\nabc\r\n0\r\n\r\n' }],
      200,
    ),
  ),
  post('a chunk that is longer than its size', ['Transfer-Encoding: chunked'], '3\r\nabcd\r\n0\r\n\r\n', [], 'refused'),
]

/** Requests of one connection, and the requests that reach the tenant. */
const pipelines: readonly Row[] = [
  row(
    'two requests at once',
    'GET /1 HTTP/1.1\r\nHost: site.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: site.test\r\n\r\n',
    [{ line: 'GET /1 HTTP/1.1' }, { line: 'GET /2 HTTP/1.1' }],
    200,
  ),
  {
    title: 'a second request for another host',
    send: ['GET / HTTP/1.1\r\nHost: site.test\r\n\r\nGET / HTTP/1.1\r\nHost: evil.test\r\n\r\n'],
    passes: [get],
    answers: [200, 404],
  },
  {
    title: 'a second request with forged headers',
    send: ['GET / HTTP/1.1\r\nHost: site.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: site.test\r\nX-Real-IP: evil\r\n\r\n'],
    passes: [get, { line: 'GET /2 HTTP/1.1' }],
    answers: [200, 200],
  },
  row(
    'Expect',
    ['POST / HTTP/1.1\r\nHost: site.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n', 'abc'],
    [{ line: 'POST / HTTP/1.1', headers: ['expect: 100-continue', 'content-length: 3'], body: 'abc' }],
    200,
  ),
]

/** The tenant may receive the part of the body before the trailers, and never the end of the body. */
function trailed(title: string, head: string, end: string, later = false): Row {
  const first = `${chunkedPost}${head}\r\n3\r\nabc\r\n`
  const send = later ? [first, end] : [`${first}${end}`]
  return { title, send, passes: [], mayPass: { ...chunked, body: '3\r\nabc\r\n' }, answers: [400] }
}

const trailers: readonly Row[] = [
  trailed('a trailer', '', '0\r\nX-Forwarded-For: evil\r\n\r\n'),
  trailed('a trailer that comes later', '', '0\r\nX-Forwarded-For: evil\r\n\r\n', true),
  trailed('a trailer that is announced', 'Trailer: X-Real-IP\r\nTE: trailers\r\n', '0\r\nX-Real-IP: evil\r\n\r\n'),
  trailed('a trailer with Content-Length', 'Content-Length: 3\r\n', '0\r\nForwarded: evil\r\n\r\n'),
  trailed('a trailer of another spelling', '', '0\r\nX_Forwarded_For: evil\r\n\r\n'),
  trailed('a trailer of any name', '', '0\r\nChecksum: 1\r\n\r\n'),
  trailed('the shortest trailer', '', '0\r\na:\r\n\r\n'),
  row('a trailer without data', `${chunkedPost}\r\n0\r\nX-Forwarded-For: evil\r\n\r\n`, [], 400),
  row(
    'a trailer of a GET',
    'GET / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nForwarded: evil\r\n\r\n',
    [],
    400,
  ),
]

const pseudo: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'site.test'],
  [':path', '/'],
]

/** Returns the pseudo-headers of a GET with these instead. A value of undefined leaves one out. */
function with2(...changes: readonly (readonly [name: string, value: string | undefined])[]): readonly Field[] {
  const changed = new Map(changes)
  return pseudo.flatMap(([name, value]): Field[] => {
    const now = changed.has(name) ? changed.get(name) : value
    return now === undefined ? [] : [[name, now]]
  })
}

function row2(title: string, send: RawHttp2, passed: Passed | undefined, answer: Answer): Row {
  return { title: `HTTP/2: ${title}`, send, passes: passed === undefined ? [] : [passed], answers: [answer] }
}

/** Returns a row of a GET over HTTP/2 with these fields after the pseudo-headers. */
function fields(
  title: string,
  sent: readonly Field[],
  passed: readonly string[] | undefined,
  answer: Answer = 200,
): Row {
  return row2(
    title,
    { fields: [...pseudo, ...sent] },
    passed === undefined ? undefined : { ...get, headers: passed },
    answer,
  )
}

/** Returns a row of a GET over HTTP/2 with another value of one pseudo-header. */
function changed(name: string, value: string | undefined, answer: Answer, passed?: Passed): Row {
  return row2(
    `${name} ${value === undefined ? 'is missing' : JSON.stringify(value)}`,
    { fields: with2([name, value]) },
    passed,
    answer,
  )
}

const post2 = with2([':method', 'POST'])

const websocket2: readonly Field[] = [
  ...with2([':method', 'CONNECT']),
  [':protocol', 'websocket'],
  ['sec-websocket-version', '13'],
]
const passedWebsocket2: Passed = {
  ...get,
  headers: ['upgrade: websocket', 'connection: upgrade', 'sec-websocket-version: 13'],
}

/** Returns a row of a POST over HTTP/2 with trailers. */
function trailed2(
  title: string,
  sent: readonly Field[],
  trailers: readonly Field[],
  answer: Answer,
  mayPass: Passed,
): Row {
  return { ...row2(title, { fields: [...post2, ...sent], body: 'abc', trailers }, undefined, answer), mayPass }
}

const http2: readonly Row[] = [
  changed(':path', '/a?b', 200, { line: 'GET /a?b HTTP/1.1' }),
  changed(':path', undefined, 'refused'),
  changed(':path', '', 'refused'),
  changed(':path', 'a', 'refused'),
  changed(':path', '*', 200, get),
  changed(':path', 'http://evil.test/', 'refused'),
  changed(':path', '//evil.test/', 200, { line: 'GET //evil.test/ HTTP/1.1' }),
  changed(':path', '/a b', 'refused'),
  changed(':path', '/ HTTP/1.1\r\nX-Forwarded-For: evil\r\nA: ', 'refused'),
  changed(':path', '/\0', 'refused'),
  changed(':path', '/a#b', 'refused'),
  changed(':authority', 'SITE.test.:443', 200, get),
  changed(':authority', 'evil.test', 421),
  changed(':authority', 'site.test:443@evil', 'refused'),
  changed(':authority', 'evil@site.test', 'refused'),
  changed(':authority', 'site.test/evil', 'refused'),
  changed(':authority', 'site.test\r\nX-Forwarded-For: evil', 'refused'),
  changed(':authority', '', 421),
  changed(':method', undefined, 'refused'),
  changed(':method', 'GET /evil HTTP/1.1\r\nA: ', 'refused'),
  changed(':method', 'GET /evil', 400),
  changed(':method', 'TRACE', 501),
  changed(':method', 'CONNECT', 'refused'),
  changed(':scheme', undefined, 'refused'),
  changed(':scheme', 'http', 200, get),
  changed(':scheme', 'https://evil.test/?', 400),
  row2(
    'CONNECT',
    {
      fields: [
        [':method', 'CONNECT'],
        [':authority', 'site.test:22'],
      ],
      open: true,
    },
    undefined,
    501,
  ),
  row2('a websocket', { fields: websocket2, open: true }, passedWebsocket2, 200),
  row2(
    'another protocol in CONNECT',
    { fields: [...with2([':method', 'CONNECT']), [':protocol', 'h2c']], open: true },
    undefined,
    'refused',
  ),
  row2(
    'bytes after another protocol in CONNECT',
    { fields: [...with2([':method', 'CONNECT']), [':protocol', 'h2c']], body: smuggled, open: true },
    undefined,
    'refused',
  ),
  row2('Host without :authority', { fields: [...with2([':authority', undefined]), ['host', 'site.test']] }, get, 200),
  row2('Host that differs from :authority', { fields: [...pseudo, ['host', 'evil.test']] }, get, 200),
  row2('two :authority', { fields: [...pseudo, [':authority', 'evil.test']] }, undefined, 'refused'),
  row2('two :path', { fields: [...pseudo, [':path', '/evil']] }, undefined, 'refused'),
  row2('an unknown pseudo-header', { fields: [...pseudo, [':evil', '1']] }, undefined, 'refused'),
  row2('a pseudo-header after a header', { fields: [['a', 'b'], ...pseudo] }, undefined, 'refused'),
  ...forgedNames
    .map((name) => name.toLowerCase())
    .filter((name) => !['connection', 'proxy-connection', 'keep-alive', 'upgrade', 'te'].includes(name))
    .map((name) =>
      fields(
        `forged ${name}`,
        [
          [name, 'evil'],
          [name.replaceAll('-', '_'), 'evil'],
          [name.replaceAll('-', '.'), 'evil'],
        ],
        [],
      ),
    ),
  fields('connection', [['connection', 'x-forwarded-for']], undefined, 'refused'),
  fields('proxy-connection', [['proxy-connection', 'a']], undefined, 'refused'),
  fields('keep-alive', [['keep-alive', 'a']], undefined, 'refused'),
  fields('upgrade', [['upgrade', 'websocket']], undefined, 'refused'),
  fields('transfer-encoding', [['transfer-encoding', 'chunked']], undefined, 'refused'),
  fields('te: trailers', [['te', 'trailers']], []),
  fields('te: gzip', [['te', 'gzip']], undefined, 'refused'),
  fields('CR and LF in a value', [['a', 'b\r\nx-forwarded-for: evil']], undefined, 'refused'),
  fields('LF in a value', [['a', 'b\nx-forwarded-for: evil']], undefined, 'refused'),
  fields('NUL in a value', [['a', 'b\0']], undefined, 'refused'),
  fields('a name in capitals', [['X-Forwarded-For', 'evil']], undefined, 'refused'),
  fields('a colon in a name', [['x-forwarded-for: evil\r\na', 'b']], undefined, 'refused'),
  fields('a space in a name', [['x-forwarded-for ', 'evil']], undefined, 'refused'),
  fields('an empty name', [['', 'evil']], undefined, 'refused'),
  fields(
    'parts of a cookie',
    [
      ['cookie', 'a=b'],
      ['cookie', 'c=d'],
    ],
    ['cookie: a=b; c=d'],
  ),
  row2('a body', { fields: post2, body: 'abc' }, { ...chunked, body: '3\r\nabc\r\n0\r\n\r\n' }, 200),
  row2('a body with its length', { fields: [...post2, ['content-length', '3']], body: 'abc' }, withLength, 200),
  row2('a request in a body', { fields: [...post2, ['content-length', '0']], body: smuggled }, undefined, 'refused'),
  row2(
    'a body that is shorter than its length',
    { fields: [...post2, ['content-length', '4']], body: 'abc' },
    undefined,
    'refused',
  ),
  passesOld(
    row2('a length without a body', { fields: [...post2, ['content-length', '4']] }, { line: 'POST / HTTP/1.1' }, 200),
  ),
  row2(
    'two different lengths',
    { fields: [...post2, ['content-length', '3'], ['content-length', '4']], body: 'abc' },
    undefined,
    'refused',
  ),
  row2('a length with a sign', { fields: [...post2, ['content-length', '+3']], body: 'abc' }, undefined, 'refused'),
  trailed2('a trailer', [], [['x-forwarded-for', 'evil']], 400, { ...chunked, body: '3\r\nabc\r\n' }),
  trailed2('a pseudo-header as a trailer', [], [[':path', '/evil']], 'refused', { ...chunked, body: '3\r\nabc\r\n' }),
  trailed2('a trailer with Content-Length', [['content-length', '3']], [['x-real-ip', 'evil']], 400, withLength),
  row2('a trailer of a GET', { fields: pseudo, trailers: [['x-forwarded-for', 'evil']] }, undefined, 400),
  row2(
    'a trailer of a websocket',
    { fields: websocket2, trailers: [['x-forwarded-for', 'evil']] },
    passedWebsocket2,
    200,
  ),
]

/** Every row. */
export const rows: readonly Row[] = [
  ...hosts,
  ...targets,
  ...methods,
  ...headers,
  ...upgrades,
  ...framing,
  ...pipelines,
  ...trailers,
  ...http2,
]
