import fc from 'fast-check'
import t from 'tap'
import { cilText, renderCil, type CilExpression } from '../../src/cil/expression.ts'
import { SelinuxError } from '../../src/errors.ts'

void t.test('renderCil() renders words, texts and lists', async (t) => {
  t.equal(
    renderCil([
      ['type', 'a_t'],
      ['filecon', cilText('/a b(/.*)?'), 'any', []],
    ]),
    '(type a_t)\n(filecon "/a b(/.*)?" any ())\n',
  )
  t.equal(renderCil([]), '')
})

void t.test('renderCil() refuses a text that would be read as something else', async (t) => {
  for (const hostile of ['', 'a b', 'a)', '(', ';x', 'a"', 'a\n', 'é', 'a\0', 'x'.repeat(2000)])
    t.throws(() => renderCil([['type', hostile]]), { code: 'SELINUX_INVALID' }, JSON.stringify(hostile.slice(0, 9)))
  for (const hostile of ['"', 'a\nb', '\0', '\u007f', '\ud800'])
    t.throws(() => renderCil([cilText(hostile)]), { code: 'SELINUX_INVALID' }, JSON.stringify(hostile))
})

/** Reads CIL like the lexer of CIL. */
function read(text: string): readonly CilExpression[] {
  const stack: CilExpression[][] = [[]]
  for (const [token] of text.matchAll(/"[^"\n]*"|[()]|;.*|[^\s()";]+/g)) {
    if (token === '(') stack.push([])
    else if (token === ')') {
      const list = stack.pop() ?? []
      stack.at(-1)?.push(list)
    } else if (token.startsWith('"')) stack.at(-1)?.push(cilText(token.slice(1, -1)))
    else if (!token.startsWith(';')) stack.at(-1)?.push(token)
  }
  return stack[0] ?? []
}

void t.test('renderCil() renders statements that are read back unchanged, or throws', async () => {
  const atom = fc.oneof(fc.string(), fc.constantFrom('a', 'b_t', ';', ')'), fc.string().map(cilText))
  const { tree } = fc.letrec<{ tree: CilExpression }>((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, atom, fc.array(tie('tree'), { maxLength: 4 })),
  }))
  fc.assert(
    fc.property(fc.array(tree), (statements) => {
      try {
        return JSON.stringify(read(renderCil(statements))) === JSON.stringify(statements)
      } catch (error) {
        return error instanceof SelinuxError && error.code === 'SELINUX_INVALID'
      }
    }),
  )
})
