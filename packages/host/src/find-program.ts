import { existsSync } from 'node:fs'

/** The folders in which the system keeps its programs, in the order in which they are searched. */
export const systemFolders: readonly string[] = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Returns the absolute path of a program in the system's own folders, or undefined. @throws TypeError for a name with a slash */
export function findProgram(name: string): string | undefined {
  if (name.includes('/') || name === '')
    throw new TypeError(`A program is looked up by its bare name, not ${JSON.stringify(name)}`)
  return systemFolders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path))
}
