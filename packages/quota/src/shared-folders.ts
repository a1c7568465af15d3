/** Folders that every user of a Debian machine can write to and that no quota counts. `renderTemporary` replaces them by private ones. */
export const sharedFolders = ['/tmp', '/var/tmp', '/dev/shm'] as const

/** The path of a shared folder. */
export type SharedFolder = (typeof sharedFolders)[number]
