/** `@puppy/accounts/keys`: ssh public keys as values. Pure: runs no program and reads no file. */
export { AccountError } from './errors.ts'
export type { AccountErrorCode, AccountErrorFacts } from './errors.ts'
export { parseKey, parseKeys, renderKey } from './login/key.ts'
export { keyLimits, keysFault } from './login/keys-fault.ts'
export type { AuthorizedKey, KeyType } from './login/key.ts'
