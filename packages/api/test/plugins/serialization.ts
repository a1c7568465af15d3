import t from 'tap'
import { createSerializer } from '../../src/plugins/serialization.ts'
import { namedSchemas } from '../../src/schemas/resources.ts'

const strict = { type: 'object', additionalProperties: false } as const
const shared = [{ ...strict, $id: 'Thing', properties: { name: { type: 'string' } }, required: ['name'] }]
const list = { ...strict, properties: { data: { type: 'array', items: { $ref: 'Thing' } } } } as const

void t.test('createSerializer() writes only the fields of the schema', async (t) => {
  const serialize = createSerializer(shared)({ schema: list })
  t.equal(serialize({ data: [{ name: 'a', secret: 'b' }], token: 'c' }), '{"data":[{"name":"a"}]}')
  t.throws(() => serialize({ data: [{}] }), { message: '"name" is required!' })
})

void t.test('createSerializer() compiles at the first response', async (t) => {
  const serialize = createSerializer(shared)({ schema: { $ref: 'Unknown' } })
  t.throws(() => serialize({}), { message: /Unknown/ })
})

void t.test('createSerializer() compiles every schema of the service', async (t) => {
  const compile = createSerializer(namedSchemas)
  for (const { $id = '' } of namedSchemas as readonly { readonly $id?: string }[]) {
    const serialize = compile({ schema: { $ref: $id } })
    try {
      t.type(serialize({}), 'string', $id)
    } catch (error) {
      t.match(error, { message: /" is required!$/ }, `${$id} compiles and refuses an empty object`)
    }
  }
  t.ok(namedSchemas.length > 10)
})
