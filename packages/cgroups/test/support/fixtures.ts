import { existsSync, readFileSync } from 'node:fs'

/** Reads a file that was captured on a real machine. Returns undefined when it was not captured. */
export function fixture(file: string): string | undefined {
  const path = new URL(`../fixtures/debian-13-6.12/${file}`, import.meta.url)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}
