export { readViews } from './read.ts'
export type { ProcessView } from './read.ts'
export { privateFolders, renderView, viewModule, viewPolicy, viewProfilePath } from './render.ts'
export type { ViewFile, ViewFiles, ViewOptions } from './render.ts'
