import { posix } from 'node:path'
import { parseMarkdown, textOf, type Markdown } from './markdown.ts'

/** The page that claims, and the page that has the tests of each claim. */
const pages = { claims: 'SECURITY.md', tests: 'docs/security-tests.md' } as const

/** The sections of SECURITY.md in which every sentence needs a test. */
const tested = { table: 'What is defended', text: 'What runs as root' } as const

/** A section of a page: the text of its heading and the nodes below the heading. */
interface Section {
  readonly title: string
  readonly nodes: readonly Markdown[]
}

/** A sentence and the tests that fail when it is not true. */
interface Row {
  readonly claim: string
  readonly tests: Markdown
}

/**
 * Checks that every sentence of SECURITY.md about a defence has a test. Pure.
 *
 * Each row of the table links to a section of docs/security-tests.md, which has a row for each sentence: the sentence in the same words, links
 * to test files, and the titles of their tests. `read` receives paths from the project's root and returns undefined for a missing file.
 */
export function checkClaims(read: (path: string) => string | undefined): readonly string[] {
  const [claims, tests] = [sectionsOf(read(pages.claims) ?? ''), sectionsOf(read(pages.tests) ?? '')]
  const all = claims.flatMap(({ nodes }) => sentencesBelow(nodes))
  return [
    ...claims.flatMap((section) => faultsOfSection(section, tests)),
    ...missingParts(claims),
    ...tests.flatMap(({ nodes }) =>
      rowsOf(nodes).flatMap(({ claim, tests: cell }) => [
        ...(all.includes(claim)
          ? []
          : [`${pages.tests} has a test for "${claim}", which ${pages.claims} does not say`]),
        ...faultsOfTests(claim, cell, read),
      ]),
    ),
  ]
}

function missingParts(claims: readonly Section[]): readonly string[] {
  const nodes = claims.filter(({ title }) => title === tested.table).flatMap((section) => section.nodes)
  return tableRows(nodes).length > 0 ? [] : [`${pages.claims} has no table in the section "${tested.table}"`]
}

/** Returns the sentences of a section that need a test and have none, and the rows of its table that name no section of tests. */
function faultsOfSection({ title, nodes }: Section, tests: readonly Section[]): readonly string[] {
  if (title === tested.text) return withoutRow(sentencesBelow(nodes), tests, title)
  if (title !== tested.table) return []
  return tableRows(nodes).flatMap(([threat, defence]) => {
    if (threat === undefined || defence === undefined) return []
    const where = `${pages.claims}: the row "${plain(threat)}"`
    const link = linksOf(threat).find((url) => url.startsWith(`${pages.tests}#`))
    if (link === undefined) return [`${where} has no link to ${pages.tests}`]
    const section = tests.find((one) => anchorOf(one.title) === link.split('#')[1])
    if (section === undefined) return [`${where} links to ${link}, which is not a heading there`]
    return withoutRow(sentencesBelow([defence]), tests, section.title)
  })
}

function withoutRow(sentences: readonly string[], tests: readonly Section[], title: string): readonly string[] {
  const known = tests
    .filter((one) => one.title === title)
    .flatMap(({ nodes }) => rowsOf(nodes).map(({ claim }) => claim))
  return sentences
    .filter((sentence) => !known.includes(sentence))
    .map((sentence) => `${pages.tests} has no row under "${title}" for the sentence of ${pages.claims} "${sentence}"`)
}

/** Finds links to missing files, files that are no tests, and titles that no test of the file has. */
function faultsOfTests(claim: string, cell: Markdown, read: (path: string) => string | undefined): readonly string[] {
  const named: { readonly path: string; readonly titles: string[] }[] = []
  for (const { type, url, value } of cell.children ?? []) {
    if (type === 'link') named.push({ path: posix.join(posix.dirname(pages.tests), url ?? ''), titles: [] })
    if (type === 'inlineCode') named.at(-1)?.titles.push(value ?? '')
  }
  const where = `${pages.tests}: the row "${claim}"`
  if (named.length === 0) return [`${where} has no link to a test`]
  return named.flatMap(({ path, titles }) => {
    const text = read(path)
    if (text === undefined) return [`${where} links to ${path}, which does not exist`]
    if (!/\/test\/.*\.ts$/.test(path)) return [`${where} links to ${path}, which is not a test`]
    if (titles.length === 0) return [`${where} names no test of ${path}`]
    return titles
      .filter((title) => !["'", '`', '"'].some((quote) => text.includes(`${quote}${title}${quote}`)))
      .map((title) => `${where} names a test that ${path} does not have: "${title}"`)
  })
}

function sectionsOf(text: string): readonly Section[] {
  const sections: { readonly title: string; readonly nodes: Markdown[] }[] = []
  for (const node of parseMarkdown(text).children ?? []) {
    if (node.type === 'heading') sections.push({ title: plain(node), nodes: [] })
    else sections.at(-1)?.nodes.push(node)
  }
  return sections
}

/** Returns the rows of the tables among these nodes, without their heads. */
function tableRows(nodes: readonly Markdown[]): readonly (readonly Markdown[])[] {
  return nodes
    .filter(({ type }) => type === 'table')
    .flatMap(({ children = [] }) => children.slice(1).map((row) => row.children ?? []))
}

function rowsOf(nodes: readonly Markdown[]): readonly Row[] {
  return tableRows(nodes).flatMap(([claim, tests]) =>
    claim === undefined || tests === undefined ? [] : [{ claim: plain(claim), tests }],
  )
}

/** Returns the sentences of paragraphs and cells: each ends with a full stop. A link at the end without one is no sentence. */
function sentencesBelow(nodes: readonly Markdown[]): readonly string[] {
  return nodes.flatMap((node) =>
    node.type === 'paragraph' || node.type === 'tableCell'
      ? plain(node)
          .split(/(?<=\.) /)
          .filter((sentence) => sentence.endsWith('.'))
      : sentencesBelow(node.children ?? []),
  )
}

function linksOf({ url, children = [] }: Markdown): readonly string[] {
  return [...(url === undefined ? [] : [url]), ...children.flatMap(linksOf)]
}

function plain(node: Markdown): string {
  return textOf(node, (value) => value)
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** Returns the anchor that GitHub makes of a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-')
}
