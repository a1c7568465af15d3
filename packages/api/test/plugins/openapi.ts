import { createConfig, lintFromString } from '@redocly/openapi-core'
import t from 'tap'
import { operations } from '../support/operations.ts'
import { namedSchemas } from '../../src/schemas/resources.ts'
import { startApp } from '../support/app.ts'
import { startPostgres } from '@puppy/state/testing'

t.setTimeout(120_000)
const postgres = await startPostgres(t)
const { app } = await startApp(t, await postgres.create(t))

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly security?: readonly object[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[]
  readonly responses: Readonly<Record<string, object>>
}
interface Document {
  readonly openapi: string
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

const text = (await app.inject('/openapi.json')).body
const document = JSON.parse(text) as Document
const all = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ ...operation, name: `${method.toUpperCase()} ${path}` })),
)

void t.test('the document is OpenAPI 3.1', async (t) => {
  t.match(document.openapi, /^3\.1\.\d+$/)
})

void t.test('the document has exactly the operations of the API', async (t) => {
  const listed = operations.map(({ method, path }) => `${method} ${path}`)
  t.strictSame(all.map(({ name }) => name).toSorted(), listed.toSorted())
})

void t.test('every operation has a unique id, one tag and a summary', async (t) => {
  const tags = document.tags.map(({ name }) => name)
  t.equal(new Set(all.map(({ operationId }) => operationId)).size, all.length)
  for (const { name, operationId, summary, tags: own } of all) {
    t.match(operationId, /^[a-z][A-Za-z]+$/, `${name} has an id`)
    t.match(summary, /\S/, `${name} has a summary`)
    t.equal(own.length, 1, `${name} has one tag`)
    t.ok(tags.includes(own[0] ?? ''), `the tag of ${name} is declared`)
  }
})

void t.test('every operation has the schema of its errors', async (t) => {
  for (const { name, responses } of all) {
    for (const status of ['4XX', '5XX']) {
      t.match(
        responses[status],
        { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
        name,
      )
    }
  }
})

void t.test('the schemas have the names of their $id', async (t) => {
  const names = namedSchemas.map((schema) => ('$id' in schema ? String(schema.$id) : ''))
  t.strictSame(Object.keys(document.components.schemas).toSorted(), names.toSorted())
})

void t.test('only path parameters are required', async (t) => {
  const required = all.flatMap(({ parameters = [] }) =>
    parameters.filter((one) => one.in !== 'path' && one.required === true),
  )
  t.strictSame(required, [])
})

void t.test('exactly the public operations need no key in the document', async (t) => {
  const open = all.filter(({ security }) => security?.length === 0).map(({ name }) => name)
  const listed = operations.filter(({ access }) => access === 'public').map(({ method, path }) => `${method} ${path}`)
  t.strictSame(open.toSorted(), listed.toSorted())
})

async function lint(source: string) {
  const config = await createConfig({ extends: ['recommended-strict'] })
  const problems = await lintFromString({ source, config, absoluteRef: '/openapi.json' })
  return problems.map(({ ruleId, severity, message, location }) => ({
    ruleId,
    severity,
    message,
    at: location[0]?.pointer,
  }))
}

void t.test('the linter finds no problem in the document', async (t) => {
  t.strictSame(await lint(text), [])
})

void t.test('the linter finds a missing summary', async (t) => {
  const operations = text.match(/"summary"/g)?.length ?? 0
  t.ok(operations > 0)
  t.strictSame(
    (await lint(text.replaceAll('"summary"', '"x-summary"'))).map(({ ruleId }) => ruleId),
    Array(operations).fill('operation-summary'),
  )
})

const pages: readonly [string, RegExp, RegExp][] = [
  ['/docs', /^text\/html/, /^<!doctype html>[^]*swagger-ui-bundle\.js/],
  ['/docs/start.js', /^text\/javascript/, /\/openapi\.json/],
  ['/docs/swagger-ui.css', /^text\/css/, /\.swagger-ui/],
  ['/docs/swagger-ui-bundle.js', /^text\/javascript/, /SwaggerUIBundle/],
  ['/docs/errors', /^text\/markdown/, /^# Errors/],
  ['/openapi.json', /^application\/json/, /^\{"openapi":"3\.1/],
]
for (const [url, type, body] of pages) {
  void t.test(`GET ${url} requires no key`, async (t) => {
    const answer = await app.inject(url)
    t.equal(answer.statusCode, 200)
    t.match(answer.headers['content-type'], type)
    t.match(answer.body, body)
  })
}

void t.test('GET /docs loads only files that the API serves', async (t) => {
  const { body } = await app.inject('/docs')
  const sources = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
  t.equal(sources.length, 3)
  for (const source of sources) t.equal((await app.inject(source)).statusCode, 200, source)
})
