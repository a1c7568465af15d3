/** The tests that need nothing but namespaces, with this host's kernel and nft. */
import t from 'tap'

// An emulated machine takes ten times as long.
t.setTimeout(600_000)
for (const name of ['matrix', 'metering-live', 'trial']) await import(`../${name}.ts`)
