import { existsSync } from 'node:fs'

/** The folders with the programs of the system, in search order. */
export const systemFolders: readonly string[] = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Returns the absolute path of a program in the system folders, or undefined. @throws TypeError for an empty name or one with a slash */
export function findProgram(name: string): string | undefined {
  if (name.includes('/') || name === '')
    throw new TypeError(`The name of a program must not be empty or contain a slash: ${JSON.stringify(name)}`)
  return systemFolders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path))
}
