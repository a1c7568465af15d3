import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { PlanSpec } from '@puppy/state/plan-spec'
import { choice, Condition, Count, nextCursor, observed, Slug, Time } from './common.ts'
import { Account, AccountList, AccountPatch, AccountSpec, Usage } from './account.ts'
import { Problem } from './problem.ts'

const Plan = Type.Object(
  {
    name: Type.String(),
    ...PlanSpec.properties,
    generation: Count('Grows with every change.'),
    createdAt: Time('When it was made.'),
    updatedAt: Time('When it last changed.'),
  },
  { $id: 'Plan', description: 'A named set of limits.' },
)
export type PlanAnswer = Static<typeof Plan>
const PlanList = Type.Object(
  { data: Type.Array(Type.Ref('Plan')), nextCursor },
  { $id: 'PlanList', description: 'A page of plans.' },
)

export const DomainSpec = Type.Object(
  {
    account: Slug('The account that answers.'),
    port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'One of its ports.' }),
  },
  { $id: 'DomainSpec', additionalProperties: false, description: 'Where a domain is to lead.' },
)
export type DomainSpec = Static<typeof DomainSpec>

const Domain = Type.Object(
  {
    name: Type.String(),
    reseller: Type.String(),
    account: Type.String(),
    port: Type.Integer(),
    listener: Type.Optional(choice(['listening', 'nobody', 'wrong_address'], 'What was last seen on the port.')),
    ...observed,
    createdAt: Time('When it was made.'),
    updatedAt: Time('When its spec last changed.'),
  },
  { $id: 'Domain', description: 'A host name routed to one port of one account.' },
)
export type DomainAnswer = Static<typeof Domain>
const DomainList = Type.Object(
  { data: Type.Array(Type.Ref('Domain')), nextCursor },
  { $id: 'DomainList', description: 'A page of domains.' },
)

const Facility = Type.Object({
  works: Type.Boolean(),
  version: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  remedy: Type.Optional(Type.String()),
})

const Pool = Type.Object(
  {
    free: Type.Integer({ description: 'Slots kept free ahead of demand.' }),
    max: Type.Integer({ description: 'Slots at most.' }),
    slots: Type.Object({
      building: Type.Integer(),
      free: Type.Integer(),
      taken: Type.Integer(),
      dirty: Type.Integer(),
      blocked: Type.Integer(),
    }),
    waiting: Type.Integer({ description: 'Accounts that have no slot yet.' }),
    trouble: Type.Array(
      Type.Object({
        slot: Type.Integer(),
        user: Type.String(),
        state: Type.String(),
        reason: Type.String(),
        message: Type.Optional(Type.String()),
      }),
      { description: 'Slots that cannot be used, and why.' },
    ),
  },
  { $id: 'Pool', description: 'The slots of a host.' },
)
export type PoolAnswer = Static<typeof Pool>
export const PoolSpec = Type.Object(
  {
    free: Type.Integer({ minimum: 0, maximum: 10_000, description: 'Slots kept free ahead of demand.' }),
    max: Type.Integer({ minimum: 0, maximum: 10_000, description: 'Slots at most.' }),
  },
  { $id: 'PoolSpec', additionalProperties: false, description: 'How many slots a host is to have.' },
)
export type PoolSpec = Static<typeof PoolSpec>

const Host = Type.Object(
  {
    name: Type.String(),
    mode: choice(
      ['live', 'folder', 'dry_run'],
      'Folder: below a root folder, where only files change. Dry run: planned, never applied.',
    ),
    alive: Type.Boolean({ description: 'Whether its agent was heard of in the last 10 seconds.' }),
    heartbeatAt: Type.Optional(Time('When its agent was last heard of.')),
    facilities: Type.Record(Type.String(), Facility, { description: 'What each facility can do here, and why not.' }),
    missing: Type.Array(Type.String(), { description: 'Isolation layers that this host does not have.' }),
    conditions: Type.Array(Type.Ref('Condition')),
    pool: Type.Ref('Pool'),
  },
  { $id: 'Host', description: 'One Linux machine that carries tenants.' },
)
export type HostAnswer = Static<typeof Host>
const HostList = Type.Object({ data: Type.Array(Type.Ref('Host')) }, { $id: 'HostList', description: 'All hosts.' })

const Change = Type.Object({
  facility: Type.String(),
  target: Type.String(),
  action: Type.String(),
  before: Type.Optional(Type.String()),
  after: Type.Optional(Type.String()),
  command: Type.Optional(Type.String({ description: 'What would be run, for a person to read.' })),
})
const Changes = Type.Object(
  { data: Type.Array(Change), plannedAt: Time('When the agent looked.') },
  { $id: 'Changes', description: 'What the agent would change now.' },
)

const Health = Type.Object(
  {
    status: choice(['ok', 'unavailable'], 'ok, or why not in `checks`.'),
    checks: Type.Record(Type.String(), Type.String()),
  },
  { $id: 'Health', description: 'Whether the service can do its work.' },
)

/** Every schema that has a name of its own in the document. */
export const namedSchemas = [
  Problem,
  Condition,
  PlanSpec,
  Plan,
  PlanList,
  AccountSpec,
  AccountPatch,
  Account,
  AccountList,
  Usage,
  DomainSpec,
  Domain,
  DomainList,
  Pool,
  PoolSpec,
  Host,
  HostList,
  Changes,
  Health,
] as const
