import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The texts of all files that a rule reads, by path from the project's root. */
export type Tree = ReadonlyMap<string, string>

const patterns = [
  '{packages/*,testbed}/{src,test,examples}/**/*.ts',
  '{packages/*,testbed}/{README.md,package.json}',
  'testbed/definition/**/*.ts',
  'docs/*.md',
  'ARCHITECTURE.md',
  'tools/**/*.ts',
]

/** Reads the tree of a project. */
export async function readTree(root: URL): Promise<Tree> {
  const cwd = fileURLToPath(root)
  const paths = await Array.fromAsync(
    glob(patterns, { cwd, exclude: (path) => /(^|\/)(node_modules|fixtures|\.tap)(\/|$)/.test(path) }),
  )
  const files = await Promise.all(
    paths
      .toSorted()
      .map(async (path): Promise<[string, string]> => [path, await readFile(new URL(path, root), 'utf8')]),
  )
  return new Map(files)
}
