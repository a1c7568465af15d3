import { SelinuxError } from '../errors.ts'

/** A quoted string of CIL: a path or a pattern. */
export interface CilText {
  readonly text: string
}

/** A part that many statements share, checked and rendered once. */
interface CilRendered {
  readonly cil: string
}

/** An expression of CIL: a word, a quoted string, or a list in parentheses. */
export type CilExpression = string | CilText | CilRendered | readonly CilExpression[]

/** A word of CIL: it cannot end a list, begin a comment or a string, or be two words. */
const word = /^[A-Za-z0-9_.@*/:-]{1,1024}$/

/** No quote and no control character: CIL cannot express them within quotes. */
const inQuotes = /^[^"\p{Cc}\p{Cs}]{0,4096}$/u

/** Returns a text as a quoted string. */
export function cilText(text: string): CilText {
  return Object.freeze({ text })
}

/** Renders an expression for the statements that share it. @throws SelinuxError `SELINUX_INVALID` as `renderCil` */
export function rendered(expression: CilExpression): CilExpression {
  return Object.freeze({ cil: render(expression) })
}

/**
 * Renders statements, one on each line. Pure.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a word or string that would not be read back as that one word or string.
 * @see the CIL reference guide of the SELinux project
 */
export function renderCil(statements: readonly CilExpression[]): string {
  let text = ''
  for (const statement of statements) text += `${render(statement)}\n`
  return text
}

function render(expression: CilExpression): string {
  if (typeof expression === 'string') {
    if (word.test(expression)) return expression
    throw refused(expression, 'it is not a word of CIL')
  }
  if ('text' in expression) {
    if (inQuotes.test(expression.text)) return `"${expression.text}"`
    throw refused(expression.text, 'a quoted string of CIL has no quote and no control character')
  }
  if ('cil' in expression) return expression.cil
  let text = ''
  for (const part of expression) text += text === '' ? render(part) : ` ${render(part)}`
  return `(${text})`
}

function refused(value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation: 'render in CIL', value, detail })
}
