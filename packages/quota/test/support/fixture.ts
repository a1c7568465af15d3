import { readFileSync } from 'node:fs'

/** Reads what a real tool printed; the README beside it says when. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/debian-13-6.12/${name}`, import.meta.url), 'utf8')
}
