/** Support for tests of every package that uses the database: a real PostgreSQL for each file, and rows. */
export { nobody, startPostgres, testCluster } from './database.ts'
export type { TestDatabase, TestPostgres } from './database.ts'
export { acceptedPlans, fullPlan, refusedPlans } from './plans.ts'
export { actor, addAccount, addHost, addPlan, addReseller, one, smallPlan, sshKey, untilBlocked, spec } from './rows.ts'
