import { inspect } from 'node:util'
import t from 'tap'
import { FacilityError, isCausedBy, renderFacts, type FacilityErrorFacts } from '../../src/index.ts'

class ExampleError extends FacilityError<'EXAMPLE_REFUSED'> {
  static {
    this.prototype.name = 'ExampleError'
  }

  constructor(facts: FacilityErrorFacts) {
    super('EXAMPLE_REFUSED', facts, renderFacts(facts, 'tool'))
  }
}

void t.test('renderFacts() renders one sentence from all facts, in order', async (t) => {
  t.equal(renderFacts({ operation: 'set the limits of' }, 'tool'), 'Cannot set the limits of')
  t.equal(
    renderFacts(
      {
        operation: 'set the limits of',
        target: 'user 1',
        value: '-5',
        errno: 'EINVAL',
        detail: 'it is negative',
        said: 'bad value',
        steps: ['one', 'two'],
        cause: new Error('not shown'),
      },
      'setquota',
    ),
    'Cannot set the limits of "user 1", value "-5": the kernel answered EINVAL; it is negative; setquota reported: bad value; to enable it: one, then two',
  )
  t.equal(renderFacts({ operation: 'a', said: '', steps: [] }, 'tool'), 'Cannot a', 'empty facts are left out')
})

void t.test('renderFacts() quotes and cuts hostile values', async (t) => {
  const text = renderFacts({ operation: 'read', target: 'a\n\0b', value: `"${'x'.repeat(500)}` }, 'tool')
  t.equal(text, `Cannot read "a\\n\\u0000b", value "\\"${'x'.repeat(199)}…"`)
})

void t.test('FacilityError has its code and facts, and its cause only once', async (t) => {
  const cause = new Error('below')
  const error = new ExampleError({ operation: 'read', target: 'x', cause })
  t.strictSame([error.name, error.code, error.message], ['ExampleError', 'EXAMPLE_REFUSED', 'Cannot read "x"'])
  t.strictSame(error.facts, { operation: 'read', target: 'x' })
  t.equal(error.cause, cause)
  t.equal('cause' in new ExampleError({ operation: 'read' }), false)
  t.strictSame(Object.keys(error), ['code', 'facts'], 'the name is not a property of each error')
  t.match(inspect(error), /ExampleError/)
})

void t.test('isCausedBy() follows causes and the errors of an aggregate', async (t) => {
  const root = new Error('root')
  const middle = new ExampleError({ operation: 'a', cause: root })
  t.equal(isCausedBy(root, root), true)
  t.equal(isCausedBy(new Error('top', { cause: middle }), root), true)
  t.equal(isCausedBy(new AggregateError([new Error('other'), middle]), root), true)
  t.equal(isCausedBy(new Error('top', { cause: 'text' }), 'text'), true)
  for (const other of [undefined, 'root', new Error('root'), new AggregateError([]), { cause: root }])
    t.equal(isCausedBy(other, root), false)
})
