import { keysFault } from '@puppy/accounts/keys'
import { hostNameFault } from '@puppy/host/host-name'
import { PlanSpec } from '@puppy/state/plan-spec'
import { schemaFault } from '@puppy/state/schema-fault'
import type { AccountToVisit } from '@puppy/state/store/accounts'
import { largestGeneration, largestKeys, largestSpec } from '@puppy/state/store/bounds'
import type { DomainToServe } from '@puppy/state/store/domains'
import type { AccountState } from '@puppy/state/store/accounts'

/** An account whose row is valid. */
export interface SoundAccount extends AccountToVisit {
  readonly planSpec: PlanSpec
  readonly sshKeys: readonly string[]
  readonly state: AccountState
}

const states: readonly string[] = ['active', 'throttled', 'suspended'] satisfies AccountState[]
const slug = /^[a-z][a-z0-9-]{0,62}$/

/**
 * Checks the row of an account. Returns it when it is valid, and otherwise why it is not and what to do. Pure.
 *
 * Checks every column of it that the API's role can write, because an attacker who controls the API has that role. The keys of a suspended
 * account are not checked, because it has none on the host: a damaged key never prevents a suspension.
 */
export function checkAccount(row: AccountToVisit): { readonly sound: SoundAccount } | { readonly fault: string } {
  const fault = accountFault(row)
  return fault === undefined ? { sound: row as SoundAccount } : { fault }
}

function accountFault(row: AccountToVisit): string | undefined {
  const { name, reseller, state, plan, planSpec, sshKeys, generation } = row
  if (!slug.test(name) || !slug.test(reseller)) return 'its name or reseller is not valid; delete the account'
  if (!states.includes(state)) return 'its state is not known; set the state of the account'
  const faultOfGeneration = generationFault(generation)
  if (faultOfGeneration !== undefined) return faultOfGeneration
  const faultOfPlan = schemaFault(PlanSpec, planSpec)
  if (faultOfPlan !== undefined) {
    const { pointer, detail } = faultOfPlan
    const where = pointer === '' ? `the spec of its plan ${plan}` : `${pointer} in the spec of its plan ${plan}`
    const size = planSpec === null ? ` of at most ${largestSpec} bytes` : ''
    return `${where} ${detail}${size}; write the plan ${plan} again`
  }
  if (state === 'suspended') return undefined
  const faultOfKeys = sshKeys === null ? `have more than ${largestKeys} bytes` : keysFault(sshKeys)
  return faultOfKeys === undefined ? undefined : `its ssh keys ${faultOfKeys}; write the ssh keys of the account again`
}

/** Returns why the name of a domain is invalid and what to do, or undefined when it is valid. Pure. */
export function domainFault({ name }: Pick<DomainToServe, 'name'>): string | undefined {
  const fault = hostNameFault(name) ?? (name.includes('.') ? undefined : 'a domain has at least two labels')
  return fault === undefined ? undefined : `its name is not valid: ${fault}; delete the domain`
}

/** Returns why the generation of a row is out of range and what to do, or undefined when it is valid. Pure. */
export function generationFault(generation: number): string | undefined {
  if (Number.isInteger(generation) && generation >= 1 && generation <= largestGeneration) return undefined
  return `its generation is not between 1 and ${largestGeneration}; change the resource, which starts it again`
}
