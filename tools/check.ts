/** The project's own rules, checked: `check/main.ts`. */
require('./start.cjs')(() => import('./check/main.ts'))
