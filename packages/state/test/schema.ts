import t from 'tap'
import { Type as Typebox } from 'typebox'
import { Type } from '../src/schema.ts'

/** Builds a schema with every builder of either Type. */
function all(from: typeof Type) {
  const name = from.String({ pattern: '^a$', description: 'A name.' })
  return [
    from.Array(from.Integer({ minimum: 0 }), { maxItems: 3 }),
    from.Boolean(),
    from.Null({ description: 'Nothing.' }),
    from.Number({ maximum: 1 }),
    from.Object({}),
    from.Object({ one: from.Optional(name) }, { additionalProperties: false }),
    from.Object({ one: from.Optional(name), two: name, three: from.Ref('Other') }, { $id: 'Thing' }),
    from.Record(from.String({ pattern: '^[a-z]$' }), name, { maxProperties: 2 }),
    from.Record(from.String(), from.Unsafe<'x'>({ type: 'string', enum: ['x'] })),
  ]
}

void t.test('Type makes the schemas that typebox makes', async (t) => {
  const expected = all(Typebox).map((schema): unknown => JSON.parse(JSON.stringify(schema)))
  for (const [index, schema] of all(Type).entries())
    t.strictSame(JSON.parse(JSON.stringify(schema)), expected[index], JSON.stringify(schema))
})

void t.test('Type.Optional() does not change its argument', async (t) => {
  const name = Type.String()
  Type.Optional(name)
  t.strictSame(Type.Object({ name }).required, ['name'])
})
