import { sshKey } from '@puppy/state/testing'
import t from 'tap'
import { checkAccount, domainFault, generationFault } from '../src/row-faults.ts'
import { accountRow, domainRow } from './support/rows.ts'

const fault = (more: Parameters<typeof accountRow>[1]) => {
  const checked = checkAccount(accountRow(1, more))
  return 'fault' in checked ? checked.fault : undefined
}
const spec = { class: 'production', ports: 3, domains: 2 }

void t.test('checkAccount() returns a valid row', async (t) => {
  const row = accountRow(1, { sshKeys: [sshKey] })
  t.strictSame(checkAccount(row), { sound: row })
})

for (const [title, more, expected] of [
  ['a name with a line break', { name: 'a\nb' }, /^its name or reseller is not valid; delete the account$/],
  ['a reseller in upper case', { reseller: 'Acme' }, /^its name or reseller/],
  ['an unknown state', { state: 'gone' }, /^its state is not known; set the state/],
  ['a state of the prototype', { state: 'constructor' }, /^its state is not known/],
  ['a generation out of range', { generation: 2 ** 53 }, /^its generation is not between 1 and 9007199254740990;/],
  [
    'null as a plan',
    { planSpec: null },
    /^the spec of its plan small must be an object of at most 16384 bytes; write the/,
  ],
  ['a list as a plan', { planSpec: [] }, /^the spec of its plan small must be an object/],
  [
    'an object as a limit',
    { planSpec: { ...spec, memory: { max: {} } } },
    /^\/memory\/max in the spec of its plan small/,
  ],
  ['an infinite limit', { planSpec: { ...spec, cpu: { max: Infinity } } }, /^\/cpu\/max in the spec/],
  ['no keys', { sshKeys: null }, /^its ssh keys have more than 524288 bytes; write the ssh keys/],
  [
    'a null among the keys',
    { sshKeys: [sshKey, null] },
    /^its ssh keys contain something that is not a text, at position 2/,
  ],
  ['lists as keys', { sshKeys: [[sshKey]] }, /^its ssh keys contain something that is not a text, at position 1/],
  ['too many keys', { sshKeys: Array.from({ length: 101 }, () => sshKey) }, /^its ssh keys are more than 100;/],
  ['too long keys', { sshKeys: ['x'.repeat(163_841)] }, /^its ssh keys have together more than 163840 bytes;/],
] as const) {
  void t.test(`checkAccount() refuses ${title}`, async (t) => {
    t.match(fault(more), expected)
  })
}

void t.test('checkAccount() does not check the keys of a suspended account', async (t) => {
  t.equal(fault({ state: 'suspended', sshKeys: [null] }), undefined)
  t.match(fault({ state: 'suspended', planSpec: null }), /^the spec of its plan/)
})

void t.test('domainFault() refuses names that are not those of a domain', async (t) => {
  t.equal(domainFault(domainRow(1)), undefined)
  for (const name of [
    'localhost',
    'A.example.com',
    'a\n.example.com',
    '127.0.0.1',
    '',
    'x'.repeat(254),
    '*.example.com',
  ])
    t.match(domainFault({ name }), /^its name is not valid: .+; delete the domain$/, JSON.stringify(name.slice(0, 20)))
})

void t.test('generationFault() refuses what a column holds and JavaScript does not', async (t) => {
  for (const generation of [1, 7, Number.MAX_SAFE_INTEGER - 1]) t.equal(generationFault(generation), undefined)
  for (const generation of [0, -1, 1.5, Number.NaN, Infinity, Number.MAX_SAFE_INTEGER, 2 ** 63])
    t.match(generationFault(generation), /^its generation is not between/, String(generation))
})
