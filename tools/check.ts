/** Checks the project's own rules: `check/main.ts`. */
require('./start.cjs')(() => import('./check/main.ts'))
