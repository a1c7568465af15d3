import {
  parseSync,
  Visitor,
  type CallExpression,
  type ForOfStatement,
  type Node,
  type VariableDeclarator,
} from 'oxc-parser'
import type { Tree } from './tree.ts'

/** Assertions of tap that compare only the fields of their pattern. */
const loose = ['match', 'has', 'hasStrict', 'matchStrict', 'notMatch', 'notHas', 'notHasStrict', 'notMatchStrict']
/** Assertions that compare an error, or the value of a promise, with such a pattern. */
const looseToo = ['resolveMatch', 'rejects', 'throws']
/** Assertions that pass for any error when they name no expected error. */
const failing = ['rejects', 'throws']
/** Methods and functions that return a list. */
const listing = ['map', 'flatMap', 'filter', 'toSorted', 'toReversed', 'fill', 'from', 'keys', 'values', 'entries']

/** A call and the fault that it has. */
type Fault = readonly [node: CallExpression, fault: string]

/** The values that each name of a file may have. */
type Names = ReadonlyMap<string, readonly Node[]>

/**
 * Finds assertions that never fail, and assertions that pass for a wrong reason. Pure.
 *
 * tap compares a list only up to the end of the list in the pattern: `t.match(list, [])` passes for every list. `{}` passes for every
 * object, and `t.rejects(promise)` passes for every error.
 */
export function checkAssertions(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!/(^|\/)test\//.test(path)) return []
    const { program } = parseSync(path, text)
    const calls: CallExpression[] = []
    const names = new Map<string, Node[]>()
    const learn = (name: string, node: Node) => names.set(name, [...(names.get(name) ?? []), node])
    new Visitor({
      CallExpression: (node) => void calls.push(node),
      VariableDeclarator: (node) => learnDeclarator(node, learn),
    }).visit(program)
    new Visitor({ ForOfStatement: (node) => learnLoop(node, names, learn) }).visit(program)
    return calls
      .flatMap((call) => faultsOf(call, names))
      .map(([{ start }, fault]) => `${path}:${text.slice(0, start).split('\n').length} ${fault}`)
  })
}

function faultsOf(call: CallExpression, names: Names): readonly Fault[] {
  const name = methodOf(call)
  if (name === undefined) return []
  const [actual, pattern] = call.arguments
  if (name === 'ok' && actual !== undefined && isTruthy(actual)) return [[call, 't.ok() never fails for this value']]
  if (failing.includes(name) && (pattern === undefined || isText(pattern)))
    return [[call, `t.${name}() passes for any error: name the expected error`]]
  if (pattern === undefined || ![...loose, ...looseToo].includes(name)) return []
  if (hasList(pattern, names, new Set()))
    return [
      [
        call,
        `t.${name}() compares a list only up to the end of the pattern: use t.strictSame(), or t.matchOnlyStrict() for a pattern`,
      ],
    ]
  if (hasNothing(pattern, names, new Set()))
    return [[call, `t.${name}() passes for every object when the pattern is {}: use t.strictSame()`]]
  return []
}

function methodOf({ callee }: CallExpression): string | undefined {
  return callee.type === 'MemberExpression' && callee.property.type === 'Identifier' ? callee.property.name : undefined
}

function isTruthy({ type }: Node): boolean {
  return ['ArrayExpression', 'ObjectExpression', 'ArrowFunctionExpression', 'FunctionExpression'].includes(type)
}

/** Returns whether a node is a text. tap takes a text in the place of the expected error as the title. */
function isText(node: Node): boolean {
  return node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string')
}

/** Returns whether a part of a pattern is a list, a set or a map, as far as this file shows it. */
function hasList(node: Node, names: Names, seen: Set<string>): boolean {
  if (node.type === 'ArrayExpression') return true
  if (node.type === 'NewExpression') return node.callee.type === 'Identifier' && /^(Set|Map)$/.test(node.callee.name)
  if (node.type === 'CallExpression') {
    if (listing.includes(methodOf(node) ?? '')) return true
    return node.callee.type === 'Identifier' && hasList(node.callee, names, seen)
  }
  return partsOf(node, names, seen).some((part) => hasList(part, names, seen))
}

/** Returns whether a part of a pattern is `{}`. */
function hasNothing(node: Node, names: Names, seen: Set<string>): boolean {
  if (node.type === 'ObjectExpression' && node.properties.length === 0) return true
  return partsOf(node, names, seen).some((part) => hasNothing(part, names, seen))
}

/** Returns the nodes that the value of a pattern consists of. */
function partsOf(node: Node, names: Names, seen: Set<string>): readonly Node[] {
  if (node.type === 'ObjectExpression')
    return node.properties.map((part) => (part.type === 'SpreadElement' ? part.argument : part.value))
  if (node.type === 'ConditionalExpression') return [node.consequent, node.alternate]
  if (node.type === 'LogicalExpression') return [node.left, node.right]
  if (node.type === 'AwaitExpression') return [node.argument]
  if (node.type === 'ArrowFunctionExpression') return node.expression ? [node.body] : []
  if (isWrapping(node)) return [node.expression]
  if (node.type !== 'Identifier' || seen.has(node.name)) return []
  seen.add(node.name)
  return names.get(node.name) ?? []
}

/** Returns whether a node only wraps a value: `(value)`, `value as const`, `value satisfies Type`, `value!`. */
function isWrapping(node: Node) {
  return (
    node.type === 'ParenthesizedExpression' ||
    node.type === 'TSAsExpression' ||
    node.type === 'TSSatisfiesExpression' ||
    node.type === 'TSNonNullExpression'
  )
}

function learnDeclarator({ id, init }: VariableDeclarator, learn: (name: string, node: Node) => void): void {
  if (id.type === 'Identifier' && init !== null) learn(id.name, init)
}

/** Records the names of a loop. In `for (const [title, expected] of rows)`, the values of a name are in a column of the rows. */
function learnLoop({ left, right }: ForOfStatement, names: Names, learn: (name: string, node: Node) => void): void {
  if (left.type !== 'VariableDeclaration') return
  const target = left.declarations[0]?.id
  const rows = elementsOf(right, names)
  if (target?.type === 'Identifier') for (const row of rows) learn(target.name, row)
  if (target?.type !== 'ArrayPattern') return
  for (const [column, element] of target.elements.entries()) {
    if (element?.type !== 'Identifier') continue
    for (const row of rows) {
      const cell = elementsOf(row, names)[column]
      if (cell !== undefined) learn(element.name, cell)
    }
  }
}

function elementsOf(node: Node, names: Names): readonly Node[] {
  if (node.type === 'ArrayExpression') return node.elements.filter((element) => element !== null)
  if (isWrapping(node)) return elementsOf(node.expression, names)
  if (node.type === 'Identifier') return (names.get(node.name) ?? []).flatMap((init) => elementsOf(init, new Map()))
  return []
}
