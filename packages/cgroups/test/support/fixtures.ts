import { existsSync, readFileSync } from 'node:fs'

/** A file captured on a real machine; undefined when it was not. */
export function fixture(file: string): string | undefined {
  const path = new URL(`../fixtures/debian-13-6.12/${file}`, import.meta.url)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}
