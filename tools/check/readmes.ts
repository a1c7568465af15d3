import type { Tree } from './tree.ts'

/** Checks that every package has a README whose first line is its name and which mentions each of its npm dependencies. Pure. */
export function checkReadmes(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    const [, folder] = /^(packages\/[^/]+|testbed)\/package\.json$/.exec(path) ?? []
    if (folder === undefined) return []
    const readme = tree.get(`${folder}/README.md`)
    if (readme === undefined) return [`${folder} has no README.md`]
    const { name, dependencies = {}, optionalDependencies = {} } = JSON.parse(text) as Manifest
    const foreign = Object.keys({ ...dependencies, ...optionalDependencies }).filter(
      (dependency) => !dependency.startsWith('@puppy/'),
    )
    return [
      ...(readme.startsWith(`# ${name}\n`) ? [] : [`${folder}/README.md does not begin with "# ${name}"`]),
      ...foreign
        .filter((dependency) => !readme.includes(`\`${dependency}\``))
        .map((dependency) => `${folder}/README.md does not say why it needs ${dependency}`),
    ]
  })
}

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
