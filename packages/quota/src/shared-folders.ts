/** Folders that every user of a Debian machine can write to and no quota counts. `renderTemporary` gives users their own. */
export const sharedFolders = ['/tmp', '/var/tmp', '/dev/shm'] as const

export type SharedFolder = (typeof sharedFolders)[number]
