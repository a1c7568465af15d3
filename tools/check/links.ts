import { posix } from 'node:path'

/** Finds relative links of Markdown pages to files that do not exist. `exists` receives paths from the project's root. */
export function checkLinks(pages: ReadonlyMap<string, string>, exists: (path: string) => boolean): readonly string[] {
  return [...pages].flatMap(([page, text]) =>
    [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^([a-z]+:|#)/.test(link)) return []
      const target = posix.join(posix.dirname(page), link.split('#')[0] ?? '')
      return exists(target) ? [] : [`${page} links to ${link}, which does not exist`]
    }),
  )
}
