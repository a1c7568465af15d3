/** Runs the tests that need only network namespaces, with the kernel and the nft of a guest. `npm test` runs them on this machine. */
import t from 'tap'

// An emulated machine takes ten times as long.
t.setTimeout(600_000)
for (const name of ['matrix', 'unjudged', 'metering-live', 'trial']) await import(`../../${name}.ts`)
