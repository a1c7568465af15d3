import fc from 'fast-check'
import t from 'tap'
import { createValidator, faultsOf } from '../../src/plugins/validation.ts'

const shared = {
  $id: 'Thing',
  type: 'object',
  properties: {
    count: { type: 'integer', minimum: 1, default: 5 },
    word: { type: 'string', enum: ['a', 'b'] },
    items: { type: 'array', items: { type: 'integer' } },
  },
  required: ['word'],
  additionalProperties: false,
}
const compile = createValidator([shared])

function faults(schema: object, httpPart: string, value: unknown) {
  const validate = compile({ schema, httpPart })
  return validate(value) ? [] : faultsOf(validate.errors ?? [])
}

const bodies: readonly [string, unknown, readonly object[]][] = [
  ['accepts a valid body', { word: 'a', count: 3 }, []],
  ['does not parse a number from text', { word: 'a', count: '3' }, [{ pointer: '/count', detail: 'must be integer' }]],
  ['does not convert null to 0', { word: 'a', count: null }, [{ pointer: '/count', detail: 'must be integer' }]],
  [
    'lists the allowed values',
    { word: 'c' },
    [{ pointer: '/word', detail: 'must be equal to one of the allowed values: a, b' }],
  ],
  ['points at a missing field', {}, [{ pointer: '/word', detail: 'is required' }]],
  ['points at an unknown field', { word: 'a', nope: 1 }, [{ pointer: '/nope', detail: 'is not an allowed name' }]],
  ['escapes the pointer', { word: 'a', 'a/b~c': 1 }, [{ pointer: '/a~1b~0c', detail: 'is not an allowed name' }]],
  ['points into lists', { word: 'a', items: [1, 'x'] }, [{ pointer: '/items/1', detail: 'must be integer' }]],
  [
    'finds several faults at once',
    { count: 0, word: 5 },
    [
      { pointer: '/count', detail: 'must be >= 1' },
      { pointer: '/word', detail: 'must be string' },
      { pointer: '/word', detail: 'must be equal to one of the allowed values: a, b' },
    ],
  ],
  ['requires an object', null, [{ pointer: '', detail: 'must be object' }]],
]
for (const [title, body, expected] of bodies) {
  void t.test(`createValidator() of a body ${title}`, async (t) => {
    const found = faults({ $ref: 'Thing' }, 'body', body)
    t.strictSame(found, expected)
  })
}

void t.test('createValidator() does not change a body', async (t) => {
  const body = { word: 'a' }
  t.strictSame(faults({ $ref: 'Thing' }, 'body', body), [])
  t.strictSame(body, { word: 'a' }, 'no default was set')
})

void t.test('createValidator() parses numbers and sets defaults in a query', async (t) => {
  const schema = { type: 'object', properties: { limit: { type: 'integer', default: 100 }, page: { type: 'integer' } } }
  const query = { page: '3' }
  t.strictSame(faults(schema, 'querystring', query), [])
  t.strictSame(query, { page: 3, limit: 100 })
})

const infinite = ['Infinity', '-Infinity', '1e400', 'NaN']
for (const limit of infinite) {
  void t.test(`createValidator() of a query refuses ${limit}`, async (t) => {
    const schema = { type: 'object', properties: { limit: { type: 'integer', minimum: 1, maximum: 500 } } }
    t.strictSame(
      faults(schema, 'querystring', { limit }).map(({ pointer }) => pointer),
      ['/limit'],
    )
  })
}

void t.test('faultsOf() returns at most twenty faults, each with a short pointer', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}${'x'.repeat(1000)}`, 1]))
  const found = faults({ $ref: 'Thing' }, 'body', { word: 'a', ...many })
  t.equal(found.length, 20)
  t.ok(found.every(({ pointer }) => pointer.length <= 201))
})

void t.test('faultsOf() points at any unknown name', async () => {
  const name = fc.string({ maxLength: 50 }).filter((value) => !(value in shared.properties) && value !== '__proto__')
  fc.assert(
    fc.property(name, (key) => {
      const [fault] = faults({ $ref: 'Thing' }, 'body', { word: 'a', [key]: 1 })
      return fault?.pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~') === key
    }),
  )
})
