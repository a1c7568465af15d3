/** Every text that a caller can send, found in the OpenAPI document, with values that a database or a terminal cannot take. */
import t from 'tap'
import { addHost, addReseller, smallPlan, sshKey, startPostgres } from '@puppy/state/testing'
import { startApp } from './support/app.ts'
import { dump } from './support/problem.ts'

t.setTimeout(180_000)
const postgres = await startPostgres(t)
const database = await postgres.create(t)
const { app, request } = await startApp(t, database)
const acme = await addReseller(database.owner, 'acme')
await addHost(database.agent, 'h1', 3)
await request('PUT', '/v1/plans/small', smallPlan)
await request('PUT', '/v1/accounts/blog', { plan: 'small' })

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  /** The document has the pattern of names nowhere, and the schema of their values here. */
  readonly additionalProperties?: Schema | boolean
  readonly maxLength?: number
}
interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly schema: Schema
}
interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}
const { paths, components } = JSON.parse((await app.inject('/openapi.json')).body) as Document

/** A request with a text in one field. */
interface Place {
  readonly name: string
  readonly send: (text: string) => ReturnType<typeof request>
  /** Whether a text of this kind can be sent at all: a header has bytes. */
  readonly inHeader: boolean
}

const base: Readonly<Record<string, object>> = {
  '/v1/plans/{plan}': smallPlan,
  '/v1/accounts/{account}': { plan: 'small', sshKeys: [sshKey], labels: { a: 'b' } },
  '/v1/domains/{domain}': { account: 'blog', port: 10_240 },
  '/v1/hosts/{host}/pool': { free: 1, max: 10 },
}
const names: Readonly<Record<string, string>> = { plan: 'small', account: 'blog', domain: 'example.com', host: 'h1' }

function isText({ type }: Schema): boolean {
  return [type].flat().includes('string')
}

/** Returns the ways to put a text into a body. A name that the schema leaves open is a text too. */
function textsIn(
  schema: Schema,
  set: (value: unknown) => object,
  at = '',
): readonly [string, (text: string) => object][] {
  const target = schema.$ref === undefined ? schema : components.schemas[schema.$ref.split('/').at(-1) ?? '']
  if (target === undefined) throw new Error(`${schema.$ref} is not in the document`)
  return [
    ...(isText(target) ? [[at, set] as [string, (text: string) => object]] : []),
    ...(target.items === undefined ? [] : textsIn(target.items, (value) => set([value]), `${at}/0`)),
    ...Object.entries(target.properties ?? {}).flatMap(([name, one]) =>
      textsIn(one, (value) => set({ [name]: value }), `${at}/${name}`),
    ),
    ...(typeof target.additionalProperties !== 'object'
      ? []
      : [
          ...textsIn(target.additionalProperties, (value) => set({ a: value }), `${at}/a`),
          [`${at}/(name)`, (text: string) => set({ [text]: 'x' })] as [string, (text: string) => object],
        ]),
  ]
}

const places = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { parameters = [], requestBody }]): readonly Place[] => {
    const verb = method.toUpperCase() as 'GET'
    const fill = (given: Readonly<Record<string, string>> = {}) =>
      path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(given[name] ?? names[name] ?? 'x'))
    const body = requestBody === undefined ? undefined : base[path]
    const title = (field: string) => `${verb} ${path} ${field}`
    const inParameters = parameters
      .filter(({ schema }) => isText(schema))
      .map(({ name, in: part }): Place => ({
        name: title(`${part} ${name}`),
        inHeader: part === 'header',
        send: async (text) => {
          if (part === 'path') return request(verb, fill({ [name]: text }), body)
          if (part === 'query') return request(verb, `${fill()}?${name}=${encodeURIComponent(text)}`, body)
          return request(verb, fill(), body, { headers: { [name]: text } })
        },
      }))
    const schema = Object.values(requestBody?.content ?? {})[0]?.schema
    const inBody = schema === undefined ? [] : textsIn(schema, (value) => value as object)
    return [
      ...inParameters,
      ...inBody.map(([field, make]) => ({
        name: title(`body ${field}`),
        inHeader: false,
        send: (text: string) => request(verb, fill(), { ...base[path], ...make(text) }),
      })),
    ]
  }),
)

void t.test('the document has the text fields of every kind', async (t) => {
  const known = places.map(({ name }) => name)
  for (const name of [
    'PUT /v1/accounts/{account} body /plan',
    'PUT /v1/accounts/{account} body /sshKeys/0',
    'PUT /v1/accounts/{account} body /state',
    'PATCH /v1/accounts/{account} body /labels/a',
    'PATCH /v1/accounts/{account} body /labels/(name)',
    'PUT /v1/plans/{plan} body /class',
    'PUT /v1/plans/{plan} body /egress',
    'PUT /v1/domains/{domain} body /account',
    'DELETE /v1/domains/{domain} path domain',
    'GET /v1/accounts query cursor',
    'PUT /v1/domains/{domain} header prefer',
  ])
    t.ok(known.includes(name), name)
  t.ok(known.length > 40, `${known.length} fields`)
})

/** Valid values of some fields, which alone pass the other checks. */
const beginnings = ['', `${sshKey} `, 'small', 'active', 'production', 'b']
const endings = [
  '\ud800',
  '\udc00',
  'a\ud800b',
  '\udbff\udbff',
  '\0',
  'a\0',
  '\u001b[2J',
  'a\nb',
  '\u007f',
  '\u2028\ud800',
]
const hostile = beginnings.flatMap((beginning) => endings.map((ending) => beginning + ending))
for (const { name, send } of places.filter((place) => !place.inHeader)) {
  void t.test(`${name} refuses text that a database or a terminal cannot take`, async (t) => {
    const before = await dump(database.owner)
    for (const [n, text] of hostile.entries()) {
      // An address cannot express half of a surrogate pair.
      if (/ (path|query) /.test(name) && !text.isWellFormed()) continue
      const { status, body } = await send(text)
      t.ok([400, 422].includes(status), `text ${n}: ${status}`)
      t.type(body['code'], 'string')
      const faults: readonly { readonly pointer: string }[] = body['errors'] ?? []
      t.ok(faults.length > 0, `text ${n} has a pointer`)
    }
    t.equal(await dump(database.owner), before, 'nothing was changed')
  })
}

/** The longest time that the event loop was held, in milliseconds, while a request was served. */
async function longestHold(work: () => Promise<unknown>): Promise<number> {
  let [longest, last] = [0, performance.now()]
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 1)
  await work()
  longest = Math.max(longest, performance.now() - last)
  clearInterval(timer)
  return longest
}

const fillings: readonly [string, (length: number) => string][] = [
  ['blanks', (length) => ' '.repeat(length)],
  ['letters', (length) => 'a'.repeat(length)],
  ['words', (length) => 'a '.repeat(length / 2)],
  ['a key with blanks', (length) => `${sshKey}${' '.repeat(length - sshKey.length - 1)}x`],
  ['base64', (length) => `ssh-rsa ${'A'.repeat(length - 8)}`],
  ['dots', (length) => '.'.repeat(length)],
  ['hyphens', (length) => 'a-'.repeat(length / 2)],
  ['letters outside ASCII', (length) => 'ä'.repeat(length / 2)],
]
void t.test('no text of the largest size holds the API', async (t) => {
  for (const { name, send, inHeader } of places) {
    const largest = inHeader ? 8000 : / (path|query) /.test(name) ? 2000 : 250_000
    for (const [filling, make] of fillings) {
      if (inHeader && filling.includes('outside')) continue
      for (const length of [largest, 16_000].filter((one) => one <= largest)) {
        let status = 0
        const held = await longestHold(async () => ({ status } = await send(make(length))))
        t.ok(status < 500, `${name}: ${filling} answers ${status}`)
        t.ok(held < 1000, `${name}: ${filling} held the API for ${Math.round(held)} ms`)
      }
    }
  }
})

void t.test('no list of the largest size holds the API', async (t) => {
  const many = (count: number, one: (n: number) => unknown) => Array.from({ length: count }, (_, n) => one(n))
  const blanks = ' '.repeat(1590)
  const bodies: readonly [string, object][] = [
    [
      'a hundred keys with blanks',
      { plan: 'small', sshKeys: many(100, (n) => `${sshKey}${blanks.slice(0, 1400)}${n}`) },
    ],
    ['ten keys of 16 KiB of blanks', { plan: 'small', sshKeys: many(10, () => `a${' '.repeat(16_000)}b`) }],
    ['many numbers as keys', { plan: 'small', sshKeys: many(125_000, () => 1) }],
    ['many keys', { plan: 'small', sshKeys: many(60_000, () => 'a') }],
    [
      'many labels',
      { plan: 'small', labels: Object.fromEntries(many(20_000, (n) => [`a${n}`, '']) as [string, string][]) },
    ],
    ['many unknown names', Object.fromEntries(many(20_000, (n) => [`a${n}`, 1]) as [string, number][])],
  ]
  for (const [what, body] of bodies) {
    for (const method of ['PUT', 'PATCH'] as const) {
      let status = 0
      const send = async () => ({ status } = await request(method, '/v1/accounts/big', body, { key: acme }))
      const held = await longestHold(send)
      t.ok(status < 500, `${method} ${what} answers ${status}`)
      t.ok(held < 1500, `${method} ${what} held the API for ${Math.round(held)} ms`)
    }
  }
})
