import { fromMarkdown } from 'mdast-util-from-markdown'
import { gfmFromMarkdown } from 'mdast-util-gfm'
import { gfm } from 'micromark-extension-gfm'

/** A node of a parsed page. */
export interface Markdown {
  readonly type: string
  readonly value?: string
  /** The target of a link. */
  readonly url?: string
  /** The depth of a heading. */
  readonly depth?: number
  readonly children?: readonly Markdown[]
  readonly position?: { readonly start: { readonly line: number } } | undefined
}

/** Parses a page with the tables of GitHub. */
export function parseMarkdown(text: string): Markdown {
  return fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] })
}

/** Returns the text of a node. `code` returns what stands for the text of a code span. */
export function textOf(node: Markdown, code: (value: string) => string): string {
  const { type, value = '', children = [] } = node
  if (type === 'inlineCode') return code(value)
  if (type === 'break') return ' '
  return type === 'text' ? value : children.map((child) => textOf(child, code)).join('')
}
