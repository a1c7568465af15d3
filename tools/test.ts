/** Runs the tests: `testing/main.ts`. */
require('./start.cjs')(() => import('./testing/main.ts'))
