import { fileURLToPath } from 'node:url'

/** Where the compiled code of our files is kept, unless NODE_COMPILE_CACHE says otherwise. */
export const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/node', import.meta.url))

const program = fileURLToPath(new URL('./cli.ts', import.meta.url))

/**
 * What V8 is told in processes that live long. Young objects get one MiB instead of sixteen, and machine code is kept small. The
 * limit of the heap is ten times what the largest host needs: it makes V8 collect earlier, and nothing comes near it.
 */
export const flags = ['--max-semi-space-size=1', '--optimize-for-size', '--max-old-space-size=512']

/** The command line of a part of `puppy up` that ends soon. */
export function partCommand(name: string): [string, ...string[]] {
  return [process.execPath, program, name]
}

/** The command line of one of our processes that live long. */
export function nodeCommand(name: string): [string, ...string[]] {
  return [process.execPath, ...flags, program, name]
}
