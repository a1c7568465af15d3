export { readViews } from './read.ts'
export type { ProcessView } from './read.ts'
export { privateFolders, renderView, viewPolicy } from './render.ts'
export type { ViewFile, ViewFiles, ViewOptions } from './render.ts'
