import { fileURLToPath } from 'node:url'

/** The folder of the compiled code, unless NODE_COMPILE_CACHE sets another one. */
export const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/node', import.meta.url))

const program = fileURLToPath(new URL('./cli.ts', import.meta.url))

/**
 * The V8 flags of long-lived processes. Young objects get one MiB instead of sixteen, and V8 optimizes for small machine code. The limit
 * of the heap is ten times what the largest host needs. It only makes V8 collect garbage earlier.
 */
export const flags = ['--max-semi-space-size=1', '--optimize-for-size', '--max-old-space-size=512']

/** Returns the command line of a part of `puppy up` that ends soon. */
export function partCommand(name: string): [string, ...string[]] {
  return [process.execPath, program, name]
}

/** Returns the command line of a long-lived process. */
export function nodeCommand(name: string): [string, ...string[]] {
  return [process.execPath, ...flags, program, name]
}
