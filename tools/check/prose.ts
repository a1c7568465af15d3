import { parseSync, Visitor } from 'oxc-parser'
import { parseMarkdown, textOf, type Markdown } from './markdown.ts'
import type { Tree } from './tree.ts'

/** What a sentence of Markdown may have. */
const mostWords = 40

/** A word that this project does not use in prose, and what to write in its place. */
interface Word {
  readonly pattern: RegExp
  readonly instead: string
}

const word = (pattern: string, instead: string): Word => ({ pattern: new RegExp(`\\b(?:${pattern})\\b`, 'i'), instead })

/** Words for people who learned English second. Code spans are not prose, so a word that must be named stands in backticks. */
const words: readonly Word[] = [
  // The system has a user of that name.
  word('(?<!user )(?:nobody|no one)', 'no process, no user'),
  word('somebody|someone', 'another user, another process'),
  word('anybody|anyone', 'any user, any process'),
  word('whoever', 'the process that, the user who'),
  word('strangers?', 'another user, an unmanaged process, a foreign table'),
  word('anew', 'again'),
  word('gives', 'returns, sets, provides'),
  word('(?:is|are|was|were|be|been) told', 'is reported'),
  word('tells', 'reports'),
  word('there is no|there are no', 'name the actor: no user has'),
  word('walls?', 'isolation layer, facility, port rule'),
  word('wish(?:es|ed)?', 'spec'),
  word('squeez(?:e|es|ed|ing)', 'throttle'),
  word('lets? go of|let go', 'release, detach'),
  word('makes? no sense', 'is invalid'),
  word('without a word', 'without an error message'),
  word('sort(?:s|ed)? out', 'partition'),
  word('(?:carry|carries|carried) out', 'apply'),
  word('settl(?:e|es|ed)', 'apply, decide'),
  word('(?:is|are|was|were) gone', 'deleted, does not exist'),
  word('look(?:s|ed|ing)? (?:at|after)', 'observe, read, manage'),
  word('for ever', 'without a time limit'),
]

/** How a docstring does not begin: it says what a function does in the third person. */
const openings = /^(?:Gives|Tells|Lets)\b/

/** A piece of prose and the line of its file where it begins. */
interface Piece {
  readonly line: number
  readonly text: string
  readonly docstring?: boolean
}

/**
 * Finds prose that is hard to read: words of the project's former dialect in pages, messages, comments and names of tests, and sentences of pages
 * that have more than forty words. Markdown and TypeScript are parsed by libraries. No prose linter reads both the pages and the texts of
 * programs, so the list of words is here. Pure.
 */
export function checkProse(tree: Tree, pages: ReadonlyMap<string, string>): readonly string[] {
  return [
    ...[...pages].flatMap(([path, text]) => checkPage(path, text)),
    ...[...tree].flatMap(([path, text]) => (isSource(path) ? checkSource(path, text) : [])),
  ]
}

/** The files of this rule and its test name the words. */
function isSource(path: string): boolean {
  return path.endsWith('.ts') && !/^tools\/(test\/)?check\/prose\.ts$/.test(path)
}

function checkPage(path: string, text: string): readonly string[] {
  return piecesOfPage(text).flatMap((piece) => [...badWords(path, piece), ...longSentences(path, piece)])
}

function checkSource(path: string, text: string): readonly string[] {
  const { program, comments } = parseSync(path, text)
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  const pieces: Piece[] = comments.map(({ type, value, start }) => {
    const docstring = type === 'Block' && value.startsWith('*')
    return { line: lineOf(start), text: withoutCode(value.replaceAll(/^\s*\*+ ?/gm, '').trim()), docstring }
  })
  const add = (offset: number, value: string) => void pieces.push({ line: lineOf(offset), text: value })
  new Visitor({
    Literal: ({ value, start }) => {
      if (typeof value === 'string' && isSentence(value)) add(start, value)
    },
    TemplateLiteral: ({ quasis, start }) => {
      const value = quasis.map(({ value: { cooked } }) => cooked ?? '').join(' … ')
      if (isSentence(value)) add(start, value)
    },
  }).visit(program)
  return pieces.flatMap((piece) => badWords(path, piece))
}

/** A literal of one word is a name, and one with line feeds is a program or a file in another language. */
function isSentence(text: string): boolean {
  return text.includes(' ') && !text.trim().includes('\n')
}

function badWords(path: string, { line, text, docstring = false }: Piece): readonly string[] {
  const found = words.flatMap(({ pattern, instead }) => {
    const [match] = pattern.exec(text) ?? []
    return match === undefined ? [] : [`${path}:${line} says "${match}": write for instance "${instead}"`]
  })
  const [opening] = (docstring && openings.exec(text)) || []
  return opening === undefined ? found : [...found, `${path}:${line} has a docstring that begins with "${opening}"`]
}

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

function longSentences(path: string, { line, text }: Piece): readonly string[] {
  return [...segmenter.segment(text)].flatMap(({ segment }) => {
    const count = segment.split(/\s+/).filter((one) => /\w/.test(one)).length
    const start = segment.trim().split(/\s+/).slice(0, 6).join(' ')
    return count <= mostWords ? [] : [`${path}:${line} has a sentence of ${count} words: "${start} …"`]
  })
}

/** Removes what a docstring quotes: fences, code spans, tags with their value. */
function withoutCode(text: string): string {
  return text
    .replaceAll(/```.*?```/gs, '')
    .replaceAll(/`[^`]*`/g, '…')
    .replaceAll(/^@example.*/gms, '')
}

/** What has sentences of its own. */
const blocks = ['paragraph', 'heading', 'tableCell']

/** Returns the paragraphs, headings and cells of a page, with a mark for each code span. */
function piecesOfPage(text: string): readonly Piece[] {
  const pieces: Piece[] = []
  const walk = (node: Markdown): void => {
    if (blocks.includes(node.type)) pieces.push({ line: node.position?.start.line ?? 1, text: textOf(node, () => 'x') })
    else for (const child of node.children ?? []) walk(child)
  }
  walk(parseMarkdown(text))
  return pieces
}
