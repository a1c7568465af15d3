import { SelinuxError } from '../errors.ts'

/** A string of CIL, written in quotes: a path or its pattern. */
export interface CilText {
  readonly text: string
}

/** What has been rendered before: a part that many statements share is checked and written once. */
interface CilRendered {
  readonly cil: string
}

/** What CIL is made of: a word, a quoted text, or a list in parentheses. */
export type CilExpression = string | CilText | CilRendered | readonly CilExpression[]

/** Words of CIL that cannot end a list, begin a comment or a text, or be two. */
const word = /^[A-Za-z0-9_.@*/:-]{1,1024}$/

/** Everything that can be seen and is no quote: CIL has no way to write one, or a line's end, within quotes. */
const inQuotes = /^[^"\p{Cc}\p{Cs}]{0,4096}$/u

/** Takes a text for one that is written in quotes. */
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
 * @throws SelinuxError `SELINUX_INVALID` for a word or text that would not be read back as that one word or text.
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
    throw refused(expression, 'it is no word of CIL')
  }
  if ('text' in expression) {
    if (inQuotes.test(expression.text)) return `"${expression.text}"`
    throw refused(expression.text, 'a quoted text of CIL has no quote and no control character')
  }
  if ('cil' in expression) return expression.cil
  let text = ''
  for (const part of expression) text += text === '' ? render(part) : ` ${render(part)}`
  return `(${text})`
}

function refused(value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation: 'write in CIL', value, detail })
}
