/** Writes the picture of the packages into ARCHITECTURE.md: `check/write-picture.ts`. */
require('./start.cjs')(() => import('./check/write-picture.ts'))
