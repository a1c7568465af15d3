import { SelinuxError } from '../errors.ts'

/** A quoted string of CIL: a path or a pattern. */
export interface CilText {
  readonly text: string
}

/** A part that many statements share. It is checked and rendered once. */
interface CilRendered {
  readonly cil: string
}

/** An expression of CIL: a word, a quoted string, or a list in parentheses. */
export type CilExpression = string | CilText | CilRendered | readonly CilExpression[]

/** A word of CIL. It cannot end a list, begin a comment or a string, or consist of two words. */
const word = /^[A-Za-z0-9_.@*/:-]{1,1024}$/

/** The content of a quoted string. CIL cannot express quotes and control characters in it. */
const inQuotes = /^[^"\p{Cc}\p{Cs}]{0,4096}$/u

/** Returns a text as a quoted string. */
export function cilText(text: string): CilText {
  return Object.freeze({ text })
}

/** Renders an expression once for all statements that share it. @throws SelinuxError `SELINUX_INVALID` as `renderCil` */
export function rendered(expression: CilExpression): CilExpression {
  return Object.freeze({ cil: render(expression) })
}

/**
 * Renders statements, one on each line. Pure.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a word or string that would be read back as something else.
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
    throw refused(expression, 'the text is not a word of CIL')
  }
  if ('text' in expression) {
    if (inQuotes.test(expression.text)) return `"${expression.text}"`
    throw refused(expression.text, 'a quoted string of CIL must not contain quotes or control characters')
  }
  if ('cil' in expression) return expression.cil
  let text = ''
  for (const part of expression) text += text === '' ? render(part) : ` ${render(part)}`
  return `(${text})`
}

function refused(value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation: 'render as CIL', value, detail })
}
