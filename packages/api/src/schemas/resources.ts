import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { PlanSpec } from '@puppy/state/plan-spec'
import { choice, Condition, Count, explained, listener, nextCursor, observed, Slug, Time } from './common.ts'
import { Account, AccountList, AccountPatch, AccountSpec, Usage } from './account.ts'
import { Problem } from './problem.ts'

const Plan = Type.Object(
  {
    name: Type.String({ description: 'The name of the plan.' }),
    ...PlanSpec.properties,
    generation: Count('Increases with every change of the plan.'),
    createdAt: Time('When the plan was created.'),
    updatedAt: Time('When the plan last changed.'),
  },
  { $id: 'Plan', description: 'A named set of limits that a reseller sells.' },
)
export type PlanAnswer = Static<typeof Plan>
const PlanList = Type.Object(
  { data: Type.Array(Type.Ref('Plan')), nextCursor },
  { $id: 'PlanList', description: 'A page of plans.' },
)

export const DomainSpec = Type.Object(
  {
    account: Slug('The account that serves the domain.'),
    port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'One of the ports of that account.' }),
  },
  { $id: 'DomainSpec', additionalProperties: false, description: 'The target of a domain.' },
)
export type DomainSpec = Static<typeof DomainSpec>

const Domain = Type.Object(
  {
    name: Type.String({ description: 'The host name.' }),
    reseller: Type.String({ description: 'The reseller that owns the domain.' }),
    account: Type.String({ description: 'The account that serves the domain.' }),
    port: Type.Integer({ description: 'The port of that account that the domain is routed to.' }),
    listener,
    ...observed,
    createdAt: Time('When the domain was created.'),
    updatedAt: Time('When the spec last changed.'),
  },
  { $id: 'Domain', description: 'A host name routed to one port of one account.' },
)
export type DomainAnswer = Static<typeof Domain>
const DomainList = Type.Object(
  { data: Type.Array(Type.Ref('Domain')), nextCursor },
  { $id: 'DomainList', description: 'A page of domains.' },
)

const Facility = Type.Object({
  works: Type.Boolean({ description: 'Whether the facility works on this host.' }),
  version: Type.Optional(Type.String({ description: 'The version of its tool or service.' })),
  reason: Type.Optional(Type.String({ description: 'Why the facility does not work.' })),
  remedy: Type.Optional(Type.String({ description: 'What the operator must do to enable it.' })),
})

const freeDescription = 'The number of slots to keep free ahead of demand.'
const maxDescription = 'The maximum number of slots.'

const Pool = Type.Object(
  {
    free: Type.Integer({ description: freeDescription }),
    max: Type.Integer({ description: maxDescription }),
    slots: Type.Object(
      {
        building: Type.Integer({ description: 'Slots that the agent has not finished building.' }),
        free: Type.Integer({ description: 'Slots that an account can take at once.' }),
        taken: Type.Integer({ description: 'Slots that are assigned to an account.' }),
        dirty: Type.Integer({ description: 'Released slots that are not scrubbed yet.' }),
        blocked: Type.Integer({ description: 'Slots whose user, files or ports belong to another user or program.' }),
      },
      { description: 'The number of slots in each state.' },
    ),
    waiting: Type.Integer({ description: 'The number of accounts that wait for a slot.' }),
    trouble: Type.Array(
      Type.Object({
        slot: Type.Integer({ description: 'The number of the slot.' }),
        user: Type.String({ description: 'The Unix user of the slot.' }),
        state: Type.String({ description: 'The state of the slot.' }),
        reason: Type.String({ description: 'Why it cannot be used: one word in lower_snake, for programs.' }),
        message: Type.Optional(Type.String({ description: 'A sentence for people.' })),
      }),
      { description: 'The slots that cannot be used.' },
    ),
  },
  { $id: 'Pool', description: 'The slots of a host.' },
)
export type PoolAnswer = Static<typeof Pool>
export const PoolSpec = Type.Object(
  {
    free: Type.Integer({ minimum: 0, maximum: 10_000, description: freeDescription }),
    max: Type.Integer({ minimum: 0, maximum: 10_000, description: maxDescription }),
  },
  { $id: 'PoolSpec', additionalProperties: false, description: 'The size of the pool of a host.' },
)
export type PoolSpec = Static<typeof PoolSpec>

const Host = Type.Object(
  {
    name: Type.String({ description: 'The name of the host.' }),
    mode: explained('What the agent may change.', {
      live: 'the machine itself',
      folder: 'only files below a root folder',
      dry_run: 'nothing. It plans changes and never applies them',
    }),
    alive: Type.Boolean({ description: 'Whether the agent has reported in the last 10 seconds.' }),
    heartbeatAt: Type.Optional(Time('When the agent last reported. Absent: never.')),
    facilities: Type.Record(Type.String(), Facility, {
      description: 'Whether each facility works on this host, and why not.',
    }),
    missing: observed.missing,
    conditions: observed.conditions,
    pool: Type.Ref('Pool'),
  },
  { $id: 'Host', description: 'A Linux machine that runs tenants.' },
)
export type HostAnswer = Static<typeof Host>
const HostList = Type.Object({ data: Type.Array(Type.Ref('Host')) }, { $id: 'HostList', description: 'All hosts.' })

const Change = Type.Object({
  facility: Type.String({ description: 'The facility that would make the change.' }),
  target: Type.String({ description: 'What would be changed, such as a Unix user.' }),
  action: Type.String({ description: 'What would be done with the target.' }),
  before: Type.Optional(Type.String({ description: 'The observed value.' })),
  after: Type.Optional(Type.String({ description: 'The value of the spec.' })),
  command: Type.Optional(Type.String({ description: 'The command that would run, for people to read.' })),
})
const Changes = Type.Object(
  { data: Type.Array(Change), plannedAt: Time('When the agent planned the changes.') },
  { $id: 'Changes', description: 'The changes that the agent would apply now.' },
)

const Health = Type.Object(
  {
    status: choice(['ok', 'unavailable'], 'Whether every check succeeded.'),
    checks: Type.Record(Type.String(), Type.String(), {
      description: 'The result of each check: `ok`, or what failed.',
    }),
  },
  { $id: 'Health', description: 'Whether the service can work.' },
)

/** Every schema that has its own name in the OpenAPI document. */
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
