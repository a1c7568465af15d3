/** `@puppy/accounts/keys`: ssh public keys as values. It runs no program and touches nothing. */
export { AccountError } from './errors.ts'
export type { AccountErrorCode, AccountErrorFacts } from './errors.ts'
export { parseKey, renderKey } from './login/key.ts'
export type { AuthorizedKey, KeyType } from './login/key.ts'
