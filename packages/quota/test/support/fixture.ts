import { readFileSync } from 'node:fs'

/** Reads the output of a real tool. The README of the fixtures names the command. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/debian-13-6.12/${name}`, import.meta.url), 'utf8')
}
