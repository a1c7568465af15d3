import type { Static } from 'typebox'
import { Type } from '@puppy/state/schema'
import { choice, Count, nextCursor, observed, plainPattern, Slug, Time } from './common.ts'

const sshKeys = Type.Array(Type.String({ minLength: 1, maxLength: 16_384 }), {
  maxItems: 100,
  description: 'Public keys, each one line: type, base64, comment.',
})
const state = choice(
  ['active', 'throttled', 'suspended'],
  'Throttled: everything goes on with a tenth of a processor, few processes and a trickle of disk. Suspended: nobody logs in, nothing runs, the proxy says so, all data stays. Either is exactly undone by active.',
)
const labelName = '^[A-Za-z0-9_.-]{1,63}$'
const labelValue = { maxLength: 255, pattern: plainPattern }
const labels = Type.Record(Type.String({ pattern: labelName }), Type.String(labelValue), {
  additionalProperties: false,
  maxProperties: 32,
  description: 'Words of your own, given back as they are.',
})

/** The whole spec: a field that is left out gets its default. */
export const AccountSpec = Type.Object(
  {
    plan: Slug('The name of a plan.'),
    sshKeys: Type.Optional(sshKeys),
    state: Type.Optional(state),
    labels: Type.Optional(labels),
  },
  { $id: 'AccountSpec', additionalProperties: false, description: 'The spec of an account.' },
)
export type AccountSpec = Static<typeof AccountSpec>

/** JSON merge patch (RFC 7396): null puts a field back to its default. */
export const AccountPatch = Type.Object(
  {
    plan: Type.Optional(Slug('The name of a plan.')),
    sshKeys: Type.Optional(Type.Unsafe<readonly string[] | null>({ ...sshKeys, type: ['array', 'null'] })),
    state: Type.Optional(
      Type.Unsafe<'active' | 'throttled' | 'suspended' | null>({
        type: ['string', 'null'],
        enum: ['active', 'throttled', 'suspended', null],
        description: 'As in AccountSpec.',
      }),
    ),
    labels: Type.Optional(
      Type.Unsafe<Readonly<Record<string, string | null>> | null>({
        type: ['object', 'null'],
        maxProperties: 32,
        patternProperties: { [labelName]: { type: ['string', 'null'], ...labelValue } },
        additionalProperties: false,
        description: 'Null removes a label, or all of them.',
      }),
    ),
  },
  { $id: 'AccountPatch', additionalProperties: false, description: 'A JSON merge patch of an account.' },
)
export type AccountPatch = Static<typeof AccountPatch>

const AccountDomain = Type.Object({
  name: Type.String(),
  port: Type.Integer(),
  listener: Type.Optional(
    choice(
      ['listening', 'nobody', 'wrong_address'],
      'Whether a server of the account answers there: on 127.0.0.1 or all addresses, not only on others.',
    ),
  ),
})

export const Account = Type.Object(
  {
    name: Type.String(),
    reseller: Type.String(),
    host: Type.String(),
    user: Type.Optional(Type.String({ description: 'The Unix user; absent while the account waits for a slot.' })),
    uid: Type.Optional(Type.Integer()),
    home: Type.Optional(Type.String()),
    ports: Type.Array(Type.Integer(), { description: 'Where its servers may listen and domains may point.' }),
    plan: Type.String(),
    sshKeys: Type.Array(Type.String()),
    state,
    labels: Type.Record(Type.String(), Type.String()),
    domains: Type.Array(AccountDomain),
    ...observed,
    createdAt: Time('When it was made.'),
    updatedAt: Time('When its spec last changed.'),
  },
  { $id: 'Account', description: 'A slot of a host given to somebody, with what is wanted and what is true.' },
)
export type AccountAnswer = Static<typeof Account>

export const AccountList = Type.Object(
  { data: Type.Array(Type.Ref('Account')), nextCursor },
  { $id: 'AccountList', description: 'A page of accounts.' },
)

const diskMeter = (what: string) =>
  Type.Object({
    used: Type.Integer({ minimum: 0, description: `In ${what}, a few seconds ago.` }),
    limit: Type.Optional(Type.Integer({ minimum: 1, description: 'Nothing more can be written; absent without one.' })),
  })

export const Usage = Type.Object(
  {
    requests: Count('Requests that the proxy passed on or answered for it.'),
    bytesIn: Count('Bytes of requests.'),
    bytesOut: Count('Bytes of answers.'),
    traffic: Type.Optional(
      Type.Object(
        { sent: Count('Bytes that left this machine.'), received: Count('Bytes that came from outside.') },
        {
          description:
            'What its own programs sent and received off loopback, with IP headers. Visitors come by the proxy, and are not in it. Absent where nobody counts: the host has no firewall.',
        },
      ),
    ),
    disk: Type.Optional(
      Type.Object(
        { bytes: diskMeter('bytes'), inodes: diskMeter('files and folders') },
        {
          description:
            'What its user owns on the file system of the homes, and the limits that hold there. Absent where nobody counts: the host has no quota.',
        },
      ),
    ),
    processes: Type.Optional(
      Type.Object(
        {
          cpuUsec: Count('Processor time, in microseconds.'),
          throttledUsec: Count('Microseconds that it had to wait because of its own limit.'),
          readBytes: Type.Optional(Count('Bytes read from disks.')),
          writtenBytes: Type.Optional(Count('Bytes written to disks.')),
          readOperations: Type.Optional(Count('Operations of reading.')),
          writtenOperations: Type.Optional(Count('Operations of writing.')),
          oomKills: Count('Processes that were killed at its memory limit.'),
          forksRefused: Count(
            'Times that it could not start a process because it had too many; Linux tells since 6.11.',
          ),
          memoryBytes: Count('Memory in use when last looked, caches of its files included.'),
          processes: Count('Processes and threads when last looked.'),
        },
        {
          description:
            'What its logins and services used, as the kernel counts it. Absent where nobody counts: the host has no cgroups. Disks are counted where they are limited.',
        },
      ),
    ),
    since: Time('When counting began; the totals only grow.'),
    sampledAt: Time('When something was last added.'),
  },
  { $id: 'Usage', description: 'What an account has used.' },
)
export type Usage = Static<typeof Usage>
