import { parseSync, Visitor, type Expression, type Node } from 'oxc-parser'
import { analyse } from 'scslre'
import type { Tree } from './tree.ts'

/** The programs that meet text from outside. The tools and the tests read only the project's own files. */
const outside = /^(?:packages\/[^/]+|testbed)\/(?:src|definition)\//

/** Files that compile an expression from a variable, and why it cannot be slow for a text from outside. */
const exempt: readonly (readonly [path: string, why: string])[] = [
  ['packages/api/src/cursor.ts', 'its expression is a text in schemas/common.ts, where this check reads it'],
  ['packages/puppy/src/config.ts', 'it reads only settings, which the operator writes'],
]

/** A regular expression and where its file has it. Undefined flags: a text, which a schema or a setting compiles without flags. */
interface Found {
  readonly start: number
  readonly source: string | undefined
  readonly flags?: string
}

/**
 * Finds regular expressions that take more time than the length of the text allows, and expressions with the flag `m`. Pure.
 *
 * A text from outside can hold the only thread for seconds with an expression such as `/ *(.*?) *$/`. scslre finds quantifiers that
 * exchange characters, and those that start again at each character. It does not find all slow expressions: two alternatives that are
 * repeated and begin alike are not found. A limit of the text's length is needed too.
 *
 * With the flag `m`, `^` and `$` also match beside a carriage return, U+2028 and U+2029, which names of files and processes can contain.
 *
 * Reads literals, `RegExp` with a text, and texts that begin with `^`: patterns of schemas and settings. An unknown part of a template
 * counts as one character.
 */
export function checkExpressions(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!outside.test(path)) return []
    const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
    return expressionsOf(path, text).flatMap(({ start, source, flags }) =>
      (source === undefined && exempt.some(([file]) => file === path) ? [] : faultsOf(source, flags)).map(
        (fault) => `${path}:${lineOf(start)} ${fault}`,
      ),
    )
  })
}

function faultsOf(source: string | undefined, flags: string | undefined): readonly string[] {
  if (source === undefined) return ['compiles a regular expression that this check cannot read: write it as a text']
  const shown = `/${source}/${flags ?? ''}`
  let expression
  try {
    expression = new RegExp(source, flags)
  } catch {
    return flags === undefined ? [] : [`has a regular expression that is invalid: ${shown}`]
  }
  const kinds = new Set(analyse(expression).reports.map(({ type }) => reasons[type]))
  return [
    ...[...kinds].map((why) => `has a slow regular expression, ${shown}: ${why}`),
    ...(expression.multiline ? [`has the flag m, ${shown}: split the text into lines, or write (?:^|\\n)`] : []),
  ]
}

const reasons = {
  Trade: 'two quantifiers can exchange characters, so the time grows with the square of the length',
  Self: 'a quantifier inside a quantifier can match the same text in many ways',
  Move: 'it starts again at each character of a long match, so the time grows with the square of the length',
} as const

function expressionsOf(path: string, text: string): readonly Found[] {
  const { program } = parseSync(path, text)
  const names = new Map<string, Node>()
  new Visitor({
    VariableDeclarator: ({ id, init }) => {
      if (id.type === 'Identifier' && init !== null) names.set(id.name, init)
    },
  }).visit(program)
  const found = new Map<number, Found>()
  const addText = (start: number, node: Node) => {
    const source = textOf(node, names)
    if (source?.startsWith('^') === true && !found.has(start)) found.set(start, { start, source })
  }
  const addCall = ({ callee, arguments: [first, second], start }: Call) => {
    if (callee.type !== 'Identifier' || callee.name !== 'RegExp' || first === undefined) return
    const flags = second === undefined ? '' : textOf(second, names)
    found.set(first.start, { start, source: textOf(first, names), flags: flags ?? '' })
  }
  new Visitor({ CallExpression: addCall, NewExpression: addCall }).visit(program)
  new Visitor({
    Literal: (node) => {
      if ('regex' in node) {
        const { pattern, flags } = node.regex
        found.set(node.start, { start: node.start, source: pattern, flags })
      } else addText(node.start, node)
    },
    TemplateLiteral: (node) => addText(node.start, node),
  }).visit(program)
  return [...found.values()].toSorted((one, other) => one.start - other.start)
}

interface Call {
  readonly callee: Expression
  readonly arguments: readonly Node[]
  readonly start: number
}

/** Returns the text of a literal, a template or a constant of the file. Undefined for any other expression. */
function textOf(node: Node, names: ReadonlyMap<string, Node>, depth = 0): string | undefined {
  if (depth > 8) return undefined
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value
  if (node.type === 'Identifier') {
    const value = names.get(node.name)
    return value === undefined ? undefined : textOf(value, names, depth + 1)
  }
  if (node.type === 'BinaryExpression' && node.operator === '+') {
    const [left, right] = [textOf(node.left, names, depth + 1), textOf(node.right, names, depth + 1)]
    return left === undefined || right === undefined ? undefined : left + right
  }
  if (node.type !== 'TemplateLiteral') return undefined
  const parts = node.quasis.map(({ value: { cooked } }, index) => {
    const inserted = node.expressions[index]
    return (cooked ?? '') + (inserted === undefined ? '' : (textOf(inserted, names, depth + 1) ?? 'x'))
  })
  return parts.join('')
}
