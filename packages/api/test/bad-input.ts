import { limitTable, type LimitName } from '@puppy/cgroups/limits'
import fc from 'fast-check'
import t from 'tap'
import { planLimits } from '@puppy/state/plan-spec'
import { encodeCursor } from '../src/cursor.ts'
import { addHost, addReseller, smallPlan, sshKey, startPostgres } from '@puppy/state/testing'
import { startApp, type RequestOptions } from './support/app.ts'
import { operations } from './support/operations.ts'
import { dump, isProblem, type ExpectedProblem } from './support/problem.ts'

t.setTimeout(180_000)
const postgres = await startPostgres(t)
const database = await postgres.create(t)
const { request } = await startApp(t, database)
const acme = { key: await addReseller(database.owner, 'acme') }
const bolt = { key: await addReseller(database.owner, 'bolt') }

// Accounts blog (ports from 10240), shop of acme (10248) and cafe of bolt (10256), and one that waits for a slot.
await addHost(database.agent, 'h1', 3)
await request('PUT', '/v1/plans/small', smallPlan)
await request('PUT', '/v1/plans/tiny', { ...smallPlan, ports: 1, domains: 1 })
await request('PUT', '/v1/plans/narrow', { ...smallPlan, ports: 2 })
await request('PUT', '/v1/accounts/blog', { plan: 'small', labels: { a: '1' } })
await request('PUT', '/v1/accounts/shop', { plan: 'small' }, acme)
await request('PUT', '/v1/accounts/cafe', { plan: 'small' }, bolt)
await request('PUT', '/v1/accounts/late', { plan: 'small' })
await request('PUT', '/v1/hosts/h1/pool', { free: 0, max: 4 })
await request('PUT', '/v1/domains/blog.example.org', { account: 'blog', port: 10_240 })
await request('PUT', '/v1/domains/blog.example.net', { account: 'blog', port: 10_242 })
await request('PUT', '/v1/domains/shop.example.com', { account: 'shop', port: 10_248 }, acme)
const before = await dump(database.owner)

interface Sending extends RequestOptions {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST' | 'OPTIONS'
  readonly url: string
  readonly body?: unknown
}
type Row = readonly [title: string, sending: Sending, expected: ExpectedProblem]

function refuse(rows: readonly Row[]): void {
  for (const [title, { method, url, body, ...options }, expected] of rows) {
    void t.test(title, async (t) => {
      isProblem(t, await request(method, url, body, options), expected)
      t.equal(await dump(database.owner), before, 'nothing was changed')
    })
  }
}

const invalid = (pointer: string): ExpectedProblem => ({ status: 400, code: 'request_invalid', pointer })

function shown(value: unknown): string {
  const text = value === undefined ? 'absent' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 40)}… (${text.length})` : text
}

/** Returns a copy of a body with another value at a JSON pointer. Undefined removes the field. */
function withValue(body: object, pointer: string, value: unknown): object {
  const copy = structuredClone(body)
  const path = pointer.slice(1).split('/')
  const last = path.pop() ?? ''
  let place = copy as Record<string, unknown>
  for (const name of path) place = (place[name] ??= {}) as Record<string, unknown>
  if (value === undefined) delete place[last]
  else place[last] = value
  return copy
}

interface Fields {
  readonly method: 'PUT' | 'PATCH'
  readonly url: string
  readonly body: object
}

/** Returns a row for each invalid value of a field. The problem points at `at`. */
function values({ method, url, body }: Fields, pointer: string, bad: readonly unknown[], at = pointer): readonly Row[] {
  return bad.map((value) => [
    `${method} ${url} refuses ${pointer}: ${shown(value)}`,
    { method, url, body: withValue(body, pointer, value) },
    invalid(at),
  ])
}

const long = (length: number) => 'a'.repeat(length)
const notText = [null, 5, true, [], {}]
const notSlug = [
  ...notText,
  '',
  'Small',
  '1small',
  '-small',
  'a b',
  'a\nb',
  'a\n',
  'a\0',
  'ä',
  '\ud800',
  'a/b',
  long(64),
]
const notObject = [null, 5, true, 'text', []]
const notInteger = (least: number, most: number) => [null, '1', true, [], {}, least - 0.5, least - 1, most + 1]
const whole = [0, Number.MAX_SAFE_INTEGER] as const

/** Returns invalid values of a limit, by the table with which hosts check limits. */
function notLimit(name: LimitName): readonly unknown[] {
  const { schema } = limitTable[name]
  if (schema.type === 'integer') return ['max', ...notInteger(schema.minimum, schema.maximum)]
  if (schema.type === 'number')
    return [null, 'max', '0.5', true, [], {}, schema.exclusiveMinimum, -1, schema.maximum + 1, 1e300]
  throw new Error(`${name} is not a number`)
}

const plan = { method: 'PUT', url: '/v1/plans/new', body: smallPlan } as const
refuse([
  ...values(plan, '/class', [undefined, ...notText, '', 'Production', 'production\n', long(1000)]),
  ...['/cpu', '/memory', '/pids', '/io', '/disk'].flatMap((pointer) => values(plan, pointer, notObject)),
  ...planLimits.flatMap((name) => values(plan, `/${limitTable[name].path.join('/')}`, notLimit(name))),
  ...values(plan, '/disk/bytes', notInteger(...whole)),
  ...values(plan, '/disk/inodes', notInteger(...whole)),
  ...values(plan, '/ports', [undefined, ...notInteger(1, 8)]),
  ...values(plan, '/domains', [undefined, ...notInteger(0, 10_000)]),
  ...['', '/cpu', '/memory', '/pids', '/io', '/disk'].flatMap((pointer) => values(plan, `${pointer}/nope`, [1])),
])

refuse(
  ['ports', 'domains'].map((field): Row => [
    `PUT /v1/plans/new refuses infinite ${field}`,
    {
      method: 'PUT',
      url: '/v1/plans/new',
      raw: JSON.stringify({ ...smallPlan, [field]: 'endless' }).replace('"endless"', '1e400'),
    },
    invalid(`/${field}`),
  ]),
)

const account = { method: 'PUT', url: '/v1/accounts/new', body: { plan: 'small' } } as const
const patch = { method: 'PATCH', url: '/v1/accounts/blog', body: {} } as const
const notState = [5, true, [], {}, '', 'Active', 'active\n', 'frozen', long(1000)]
const notLabel = [5, true, [], {}, '\0', 'a\nb', 'a\u007f', '\ud800', long(256)]
const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`label${n}`, 'x']))
refuse([
  ...values(account, '/plan', [undefined, ...notSlug]),
  ...values(patch, '/plan', notSlug),
  ...values(account, '/sshKeys', [null, 5, true, {}, sshKey, Array(101).fill(sshKey)]),
  ...values(patch, '/sshKeys', [5, true, {}, sshKey, Array(101).fill(sshKey)]),
  ...[account, patch].flatMap((fields) => [
    ...values(fields, '/sshKeys', [[''], [null], [5], [[]], [long(16_385)]], '/sshKeys/0'),
    ...values(fields, '/sshKeys', [[sshKey, 5]], '/sshKeys/1'),
    ...values(fields, '/labels', [5, true, 'text', [], many]),
    ...values(fields, '/labels/a', notLabel),
    ...values(fields, '/labels/a b', ['x', 5]),
    ...values(fields, '/labels/', ['x']),
    ...values(fields, '/labels/ä', ['x']),
    ...values(fields, '/labels/a\nb', ['x']),
    ...values(fields, `/labels/${long(64)}`, ['x']),
    ...values(fields, '/nope', [1]),
    ...values(fields, '/uid', [0]),
    ...values(fields, '/constructor', [1]),
    ...values(fields, '/state', notState),
  ]),
  ...values(account, '/state', [null]),
  ...values(account, '/labels', [null]),
  ...values(account, '/labels/a', [null]),
])

const hostileKeys: readonly [string, string][] = [
  ['nonsense', 'nonsense'],
  ['a newline in it', `${sshKey}\n${sshKey}`],
  ['a newline after it', `${sshKey}\n`],
  ['a carriage return in it', `${sshKey}\r`],
  ['a NUL in it', `${sshKey}\0`],
  ['half of a surrogate pair in it', `${sshKey}\ud800`],
  ['a comment over 1 KiB', `${sshKey} ${'x'.repeat(1025)}`],
  ['options before it', `command="rm -rf ~" ${sshKey}`],
  ['its second half missing', sshKey.slice(0, 60)],
  ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----'],
  ['an option of ssh-keygen', '-f/etc/passwd'],
]
refuse(
  [account, patch].flatMap(({ method, url, body }) =>
    hostileKeys.map(([title, key]): Row => [
      `${method} ${url} refuses an ssh key: ${title}`,
      { method, url, body: { ...body, sshKeys: [sshKey, key] } },
      { status: 422, code: 'ssh_key_invalid', pointer: '/sshKeys/1' },
    ]),
  ),
)

const domain = { method: 'PUT', url: '/v1/domains/new.example.org', body: { account: 'blog', port: 10_240 } } as const
const pool = { method: 'PUT', url: '/v1/hosts/h1/pool', body: { free: 1, max: 10 } } as const
refuse([
  ...values(domain, '/account', [undefined, ...notSlug]),
  ...values(domain, '/port', [undefined, ...notInteger(1, 65_535)]),
  ...values(domain, '/nope', [1]),
  ...values(pool, '/free', [undefined, ...notInteger(0, 10_000)]),
  ...values(pool, '/max', [undefined, ...notInteger(0, 10_000)]),
  ...values(pool, '/nope', [1]),
])

const names = ['a.co.uk.', 'co.uk', 'com', 'github.io', 'localhost', 'UPPER.example.org', '192.0.2.1', '1', 'a..org']
const oddNames = [
  '.org',
  '-a.org',
  'a-.org',
  'a_b.org',
  'a b.org',
  '*.example.org',
  'bücher.de',
  `${long(64)}.org`,
  'a.org:80',
]
const controlled = ['a\nb.org', 'a.org\n', 'a\0.org', '\r\na.org', 'a\u007f.org', `${`${long(49)}.`.repeat(5)}long.org`]
const into = (name: string) => `/v1/domains/${encodeURIComponent(name)}`
refuse([
  ...[...names, ...oddNames].map((name): Row => [
    `PUT refuses the domain ${shown(name)}`,
    { method: 'PUT', url: into(name), body: domain.body },
    { status: 422, code: 'domain_invalid' },
  ]),
  ...(['GET', 'PUT', 'DELETE'] as const).flatMap((method) =>
    controlled.map((name): Row => [
      `${method} refuses the domain ${shown(name)}`,
      { method, url: into(name), ...(method === 'PUT' ? { body: domain.body } : {}) },
      invalid('domain'),
    ]),
  ),
])

const badSlugs = ['Bad', '1bad', '-bad', 'a b', 'a\nb', 'a\n', 'a\0', 'ä', 'a/b', 'a.b', "a'--", long(64)]
const parameter = /^\/v1\/(plans|accounts|hosts)\/[^/]+/
refuse(
  operations
    .filter(({ url }) => parameter.test(url))
    .flatMap(({ method, url, body }) =>
      badSlugs.map((slug): Row => {
        const at = url.replace(parameter, (_all, kind: string) => `/v1/${kind}/${encodeURIComponent(slug)}`)
        const name = url.split('/')[2]?.slice(0, -1) ?? ''
        return [`${method} ${url} refuses the name ${shown(slug)}`, { method, url: at, body }, invalid(name)]
      }),
    ),
)

const number = encodeCursor(1)
const name = encodeCursor('a')
const limits = [
  '1e400',
  '-Infinity',
  '0',
  '501',
  '-1',
  '1.5',
  'ten',
  '',
  ' ',
  'NaN',
  'Infinity',
  '1e9',
  '5&limit=6',
  '%00',
  long(500),
]
const cursors = [
  'nonsense',
  '',
  '%00',
  '%0a',
  '{}',
  `${name}&cursor=${name}`,
  long(513),
  encodeCursor('\0'),
  encodeCursor(1.5),
]
const resellers = ['', 'Bad', '%00', '%0a', "a'--", 'a&reseller=b', long(64)]
refuse([
  ...['/v1/plans', '/v1/accounts', '/v1/domains'].flatMap((url): readonly Row[] => [
    ...limits.map((value): Row => [
      `GET ${url} refuses limit=${shown(value)}`,
      { method: 'GET', url: `${url}?limit=${value}` },
      invalid('limit'),
    ]),
    ...[...cursors, url === '/v1/accounts' ? name : number].map((value): Row => [
      `GET ${url} refuses cursor=${shown(value)}`,
      { method: 'GET', url: `${url}?cursor=${value}` },
      invalid('cursor'),
    ]),
    [`GET ${url} refuses an unknown parameter`, { method: 'GET', url: `${url}?resellr=acme` }, invalid('resellr')],
  ]),
  ...operations
    .filter(({ path }) => /^\/v1\/(accounts|domains)/.test(path))
    .flatMap(({ method, url, body }) => [
      ...resellers.map((value): Row => [
        `${method} ${url} refuses reseller=${shown(value)}`,
        { method, url: `${url}?reseller=${value}`, body },
        invalid('reseller'),
      ]),
      [
        `${method} ${url} refuses a misspelt reseller`,
        { method, url: `${url}?resellr=acme`, body },
        invalid('resellr'),
      ] as const,
    ]),
])

const domainOf = (target: { readonly account: string; readonly port: number }) => ({
  method: 'PUT' as const,
  body: target,
})
const cafe = domainOf({ account: 'cafe', port: 10_256 })
refuse([
  [
    'PUT account refuses an unknown plan',
    { ...account, body: { plan: 'none' } },
    { status: 422, code: 'plan_unknown', pointer: '/plan' },
  ],
  [
    'PATCH account refuses an unknown plan',
    { ...patch, body: { plan: 'none' } },
    { status: 422, code: 'plan_unknown', pointer: '/plan' },
  ],
  [
    'PATCH account refuses an account that does not exist',
    { ...patch, url: '/v1/accounts/none' },
    { status: 404, code: 'account_not_found' },
  ],
  [
    'PATCH account refuses a plan with fewer ports than its domains need',
    { ...patch, body: { plan: 'narrow' } },
    { status: 409, code: 'plan_ports', pointer: '/plan' },
  ],
  [
    'PATCH account refuses a plan with fewer ports and domains than it uses',
    { ...patch, body: { plan: 'tiny' } },
    { status: 409, code: 'plan_ports', pointer: '/plan' },
  ],
  [
    'PUT plan refuses limits that contradict each other',
    { method: 'PUT', url: '/v1/plans/small', body: { ...smallPlan, memory: { high: 2, max: 1 } } },
    { status: 422, code: 'plan_limits', pointer: '/memory/high' },
  ],
  [
    'PUT plan refuses fewer ports than domains need',
    { method: 'PUT', url: '/v1/plans/small', body: { ...smallPlan, ports: 2 } },
    { status: 409, code: 'plan_ports', pointer: '/ports' },
  ],
  [
    'DELETE plan refuses a plan that accounts have',
    { method: 'DELETE', url: '/v1/plans/small' },
    { status: 409, code: 'plan_in_use' },
  ],
  [
    'PUT account refuses a reseller that does not exist',
    { ...account, url: `${account.url}?reseller=none` },
    { status: 422, code: 'reseller_unknown' },
  ],
  ['PUT account refuses a full pool', account, { status: 409, code: 'pool_exhausted' }],
  ['PUT domain refuses a third domain where the plan allows two', domain, { status: 409, code: 'domain_limit' }],
  [
    'PUT pool refuses more slots than the host has ports for',
    { ...pool, body: { free: 1, max: 10_000 } },
    { status: 422, code: 'pool_max_invalid', pointer: '/max' },
  ],
  [
    'PUT domain refuses an account that does not exist',
    { ...domain, body: { account: 'none', port: 1 } },
    { status: 422, code: 'account_unknown', pointer: '/account' },
  ],
  [
    'PUT domain refuses an account of another reseller',
    { ...domain, url: '/v1/domains/new.example.info', body: { account: 'shop', port: 10_248 }, ...bolt },
    { status: 422, code: 'account_unknown', pointer: '/account' },
  ],
  [
    'PUT domain refuses an account that waits for a slot',
    { ...domain, body: { account: 'late', port: 10_264 } },
    { status: 409, code: 'account_without_slot' },
  ],
  ...[80, 10_239, 10_243, 10_247, 10_248, 65_535].map((port): Row => [
    `PUT domain refuses port ${port}, which does not belong to the account`,
    { ...domain, body: { account: 'blog', port } },
    { status: 422, code: 'port_not_of_account', pointer: '/port' },
  ]),
  ...['shop.example.com', 'a.shop.example.com', 'example.com', 'blog.example.com'].map((taken): Row => [
    `PUT domain refuses ${taken} beside a domain of another reseller`,
    { ...cafe, url: `/v1/domains/${taken}`, ...bolt },
    { status: 409, code: 'domain_taken' },
  ]),
])

const writes = operations.filter(({ body }) => body !== undefined)
const bodies: readonly [string, Omit<Sending, 'method' | 'url'>, ExpectedProblem][] = [
  ['2 MB', { raw: JSON.stringify(long(2_000_000)) }, { status: 413, code: 'payload_too_large' }],
  ['incomplete JSON', { raw: '{"plan": ' }, { status: 400, code: 'malformed_json' }],
  ['plain text', { raw: 'plan=small' }, { status: 400, code: 'malformed_json' }],
  ['a NUL', { raw: '\0' }, { status: 400, code: 'malformed_json' }],
  ['JSON with a comment', { raw: '{} // nothing' }, { status: 400, code: 'malformed_json' }],
  ['a prototype', { raw: '{"__proto__": {"admin": true}}' }, { status: 400, code: 'malformed_json' }],
  ['a hidden constructor', { raw: '{"constructor": {"prototype": {}}}' }, { status: 400, code: 'malformed_json' }],
  [
    'nothing, with the content type of JSON',
    { raw: '', headers: { 'content-type': 'application/json' } },
    { status: 400, code: 'malformed_json' },
  ],
  ['nothing, without a content type', {}, { status: 400, code: 'request_invalid', pointer: '' }],
  ...[null, 5, 'text', [], true].map((body): [string, object, ExpectedProblem] => [shown(body), { body }, invalid('')]),
  ...[
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=a',
    'nonsense',
  ].map((type): [string, object, ExpectedProblem] => [
    `the content type ${type}`,
    { raw: '{}', headers: { 'content-type': type } },
    { status: 415, code: 'unsupported_media_type' },
  ]),
]
refuse(
  writes.flatMap(({ method, url }) =>
    bodies.map(([title, sending, expected]): Row => [
      `${method} ${url} refuses a body: ${title}`,
      { method, url, ...sending },
      expected,
    ]),
  ),
)

refuse([
  ...[...new Set(operations.map(({ url }) => url))].flatMap((url): readonly Row[] => [
    [`POST ${url} is not allowed`, { method: 'POST', url, body: {} }, { status: 405, code: 'method_not_allowed' }],
    [`OPTIONS ${url} is not allowed`, { method: 'OPTIONS', url }, { status: 405, code: 'method_not_allowed' }],
  ]),
  ...['/', '/v1', '/v1/', '/v2/plans', '/V1/plans', '/v1/plans/small/more', '//v1/plans', '/.env'].map((url): Row => [
    `GET ${url} is not found`,
    { method: 'GET', url },
    { status: 404, code: 'not_found' },
  ]),
  ...[
    '/v1/plans/%zz',
    '/v1/domains/%',
    '/v1/domains/%ff',
    '/v1/domains/%c0%af',
    `/v1/accounts/${long(301)}`,
    `/v1/domains/${long(9000)}`,
  ].map((url): Row => [
    `GET ${shown(url)} is not a valid path`,
    { method: 'GET', url },
    { status: 400, code: 'request_invalid' },
  ]),
  ['GET /v1/plans/ has no name', { method: 'GET', url: '/v1/plans/' }, invalid('plan')],
  ['GET /v1/accounts//usage has no name', { method: 'GET', url: '/v1/accounts//usage' }, invalid('account')],
  [
    'PUT account refuses a Prefer header that is too long',
    { ...account, headers: { prefer: long(201) } },
    invalid('prefer'),
  ],
])

void t.test('a response to a method that is not allowed lists the allowed ones', async (t) => {
  const allowed: readonly [string, string][] = [
    ['/v1/plans', 'GET, HEAD'],
    ['/v1/plans/small', 'DELETE, GET, HEAD, PUT'],
    ['/v1/accounts/blog', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['/v1/accounts/blog/usage?a=b', 'GET, HEAD'],
    ['/v1/hosts/h1/pool', 'GET, HEAD, PUT'],
  ]
  for (const [url, list] of allowed) t.equal((await request('POST', url)).headers['allow'], list, url)
})

const nonsense = ['wait', 'wait=', 'wait=abc', 'wait=-1', 'wait=1e9', ',;,;', 'return=minimal', '"', 'wait=0; wait=9']
for (const prefer of nonsense) {
  void t.test(`PUT account ignores an invalid Prefer header: ${prefer}`, async (t) => {
    const body = { plan: 'small', labels: { a: '1' } }
    t.match(await request('PUT', '/v1/accounts/blog', body, { headers: { prefer } }), {
      status: 202,
      body: { generation: 1 },
    })
    t.equal(await dump(database.owner), before, 'nothing was changed')
  })
}

void t.test('no body causes a status of 500 or above', async (t) => {
  const text = fc.string({ unit: 'binary' })
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record(
      { plan: text, sshKeys: fc.array(text), labels: fc.dictionary(text, text), nope: fc.jsonValue() },
      { requiredKeys: [] },
    ),
    fc.record({ plan: fc.constant('none'), labels: fc.dictionary(fc.stringMatching(/^[A-Za-z0-9_.-]{1,63}$/), text) }),
    fc.record({ account: text, port: fc.integer() }),
  )
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom(...writes), async (value, { method, url }) => {
      const { status } = await request(method, url, value, bolt)
      return status < 500
    }),
    { numRuns: 300 },
  )
  t.pass('every status was below 500')
})

void t.test('no path or query causes a status of 500 or above', async (t) => {
  const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed())
  const place = fc.constantFrom(
    '/v1/domains/',
    '/v1/accounts/',
    '/v1/plans/',
    '/v1/domains?cursor=',
    '/v1/accounts?cursor=',
    '/v1/domains?limit=',
  )
  await fc.assert(
    fc.asyncProperty(place, fc.oneof(text, text.map(encodeCursor)), fc.boolean(), async (start, value, encoded) => {
      const rest = encoded ? encodeURIComponent(value) : encodeURI(value).replaceAll('%25', '%')
      return (await request('GET', `${start}${rest}`)).status < 500
    }),
    { numRuns: 300 },
  )
  t.pass('every status was below 500')
})
