import type { Static } from 'typebox'
import { mostKeys } from '@puppy/accounts/keys'
import { Type } from '@puppy/state/schema'
import { Count, explained, listener, nextCursor, observed, plainPattern, Slug, Time } from './common.ts'

const keysDescription =
  'Public SSH keys. Each is one line without options: type, base64 and an optional comment. Together at most 262,144 bytes.'
const sshKeys = Type.Array(Type.String({ minLength: 1, maxLength: 16_384 }), {
  maxItems: mostKeys,
  description: keysDescription,
})
const state = explained('What the account may do.', {
  active:
    'the limits of the plan apply. It undoes the other two states, except that ended processes do not start again',
  throttled: 'programs continue with a tenth of a processor, few processes and little disk throughput',
  suspended: 'logins are refused, no process runs, the proxy reports the suspension, and all data stays',
})
const labelName = '^[A-Za-z0-9_.-]{1,63}$'
const labelValue = { maxLength: 255, pattern: plainPattern }
const labelsDescription = 'Names and values of your own. The API returns them unchanged.'
const labels = Type.Record(Type.String({ pattern: labelName }), Type.String(labelValue), {
  additionalProperties: false,
  maxProperties: 32,
  description: labelsDescription,
})

export const AccountSpec = Type.Object(
  {
    plan: Slug('The name of the plan.'),
    sshKeys: Type.Optional(sshKeys),
    state: Type.Optional(state),
    labels: Type.Optional(labels),
  },
  {
    $id: 'AccountSpec',
    additionalProperties: false,
    description: 'The whole spec of an account. An absent field is set to its default.',
  },
)
export type AccountSpec = Static<typeof AccountSpec>

export const AccountPatch = Type.Object(
  {
    plan: Type.Optional(Slug('The name of the plan.')),
    sshKeys: Type.Optional(
      Type.Unsafe<readonly string[] | null>({
        ...sshKeys,
        type: ['array', 'null'],
        description: `${keysDescription} Null removes all of them.`,
      }),
    ),
    state: Type.Optional(
      Type.Unsafe<'active' | 'throttled' | 'suspended' | null>({
        type: ['string', 'null'],
        enum: ['active', 'throttled', 'suspended', null],
        description: 'As in AccountSpec. Null: `active`.',
      }),
    ),
    labels: Type.Optional(
      Type.Unsafe<Readonly<Record<string, string | null>> | null>({
        type: ['object', 'null'],
        maxProperties: 32,
        patternProperties: { [labelName]: { type: ['string', 'null'], ...labelValue } },
        additionalProperties: false,
        description:
          'Labels to add or replace. A label that is null is removed. Null in place of the object removes all of them.',
      }),
    ),
  },
  {
    $id: 'AccountPatch',
    additionalProperties: false,
    description: 'A JSON merge patch (RFC 7396) of an account. A field that is null is set to its default.',
  },
)
export type AccountPatch = Static<typeof AccountPatch>

const AccountDomain = Type.Object({
  name: Type.String({ description: 'The host name.' }),
  port: Type.Integer({ description: 'The port that the domain is routed to.' }),
  listener,
})

export const Account = Type.Object(
  {
    name: Type.String({ description: 'The name of the account. Two resellers can use the same name.' }),
    reseller: Type.String({ description: 'The reseller that owns the account.' }),
    host: Type.String({ description: 'The host that the account is on.' }),
    user: Type.Optional(Type.String({ description: 'The Unix user. Absent while the account waits for a slot.' })),
    uid: Type.Optional(Type.Integer({ description: 'The uid of the Unix user.' })),
    home: Type.Optional(Type.String({ description: 'The home directory of the Unix user.' })),
    ports: Type.Array(Type.Integer(), {
      description: 'The ports on which servers of the account may listen, and to which domains may be routed.',
    }),
    plan: Type.String({ description: 'The name of the plan.' }),
    sshKeys: Type.Array(Type.String(), { description: keysDescription }),
    state,
    labels: Type.Record(Type.String(), Type.String(), { description: labelsDescription }),
    domains: Type.Array(AccountDomain, { description: 'The domains that are routed to the account, by name.' }),
    ...observed,
    createdAt: Time('When the account was created.'),
    updatedAt: Time('When the spec last changed.'),
  },
  { $id: 'Account', description: 'A slot assigned to a customer, with its spec and the observed state.' },
)
export type AccountAnswer = Static<typeof Account>

export const AccountList = Type.Object(
  { data: Type.Array(Type.Ref('Account')), nextCursor },
  { $id: 'AccountList', description: 'A page of accounts.' },
)

const diskMeter = (what: string) =>
  Type.Object({
    used: Type.Integer({ minimum: 0, description: `The use a few seconds ago, in ${what}.` }),
    limit: Type.Optional(Type.Integer({ minimum: 1, description: 'The hard limit. Absent: unlimited.' })),
  })

export const Usage = Type.Object(
  {
    requests: Count('Requests that the proxy forwarded to the account or answered for it.'),
    bytesIn: Count('Bytes of requests.'),
    bytesOut: Count('Bytes of responses.'),
    traffic: Type.Optional(
      Type.Object(
        { sent: Count('Bytes that left this machine.'), received: Count('Bytes that arrived from other machines.') },
        {
          description:
            'What the programs of the account sent and received off loopback, IP headers included. ' +
            'Requests that come through the proxy are not included. Absent if the host has no firewall facility.',
        },
      ),
    ),
    disk: Type.Optional(
      Type.Object(
        { bytes: diskMeter('bytes'), inodes: diskMeter('files and folders') },
        {
          description:
            'What the Unix user owns on the file system of the homes, and the limits that apply there. ' +
            'Absent if the host has no quota facility.',
        },
      ),
    ),
    processes: Type.Optional(
      Type.Object(
        {
          cpuUsec: Count('Processor time, in microseconds.'),
          throttledUsec: Count('Time that the processor limit of the account held it back, in microseconds.'),
          readBytes: Type.Optional(Count('Bytes read from disks.')),
          writtenBytes: Type.Optional(Count('Bytes written to disks.')),
          readOperations: Type.Optional(Count('Read operations on disks.')),
          writtenOperations: Type.Optional(Count('Write operations on disks.')),
          oomKills: Count('Processes that the kernel killed at the memory limit of the account.'),
          forksRefused: Count(
            'Processes that the kernel refused to start at the process limit of the account. Linux reports it since 6.11.',
          ),
          memoryBytes: Count('Memory in use at the last measurement, file caches included.'),
          processes: Count('Processes and threads at the last measurement.'),
        },
        {
          description:
            'What the logins and services of the account used, as counted by the kernel. ' +
            'Absent if the host has no cgroups facility. Disk counters are absent where disk use is not limited.',
        },
      ),
    ),
    since: Time('When counting began. The totals only grow.'),
    sampledAt: Time('When a value last changed.'),
  },
  { $id: 'Usage', description: 'The resources that an account has used.' },
)
export type Usage = Static<typeof Usage>
