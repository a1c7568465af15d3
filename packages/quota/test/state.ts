import fc from 'fast-check'
import t from 'tap'
import { QuotaError } from '../src/errors.ts'
import { parseState } from '../src/state.ts'
import { fixture } from './support/fixture.ts'

const week = { bytes: 604_800, inodes: 604_800 }
const on = (inode: number) => ({ accounting: true, enforcing: true, inode, grace: week })
const off = { accounting: false, enforcing: false }

void t.test('parseState() distinguishes counting from enforcing, on ext4 and XFS', async (t) => {
  t.strictSame(parseState(fixture('ext4-state.txt')), { user: on(3), group: on(4), project: on(12) })
  t.strictSame(parseState(fixture('xfs-state.txt')), { user: on(131), group: on(132), project: on(133) })
  t.strictSame(parseState(fixture('xfs-noenforce-state.txt')), {
    user: { ...on(131), enforcing: false },
    group: off,
    project: on(132),
  })
  t.match(parseState(fixture('ext4-accounting-state.txt')), {
    user: { accounting: true, enforcing: false },
    group: off,
  })
  t.match(parseState(fixture('ext4-files-state.txt')), { user: on(13), group: off })
  t.strictSame(parseState(''), { user: off, group: off, project: off }, 'a file system without quota has no output')
})

void t.test('parseState() parses grace times to the second', async (t) => {
  const text = fixture('ext4-grace-state.txt')
  const all = text + text.replace('User', 'Group') + text.replace('User', 'Project')
  t.strictSame(parseState(all).project.grace, { bytes: 301, inodes: 86_461 })
  t.throws(() => parseState(text), { code: 'QUOTA_UNREADABLE' }, 'only one kind')
})

void t.test('parseState() refuses a text that is cut, and throws only QuotaError', async (t) => {
  const text = fixture('xfs-state.txt')
  const inside = text.indexOf('Inodes grace', text.indexOf('Project'))
  for (const end of [10, 200, text.indexOf('Group'), text.indexOf('Project'), inside, inside + 21])
    t.throws(() => parseState(text.slice(0, end)), { code: 'QUOTA_UNREADABLE' }, `cut at ${end}`)
  t.throws(() => parseState(text.replaceAll('ON', 'MAYBE')), { code: 'QUOTA_UNREADABLE' })
  fc.assert(
    fc.property(fc.nat(text.length), fc.string(), fc.nat(20), (at, noise, cut) => {
      try {
        parseState(text.slice(0, at) + noise + text.slice(at + cut))
        return true
      } catch (error) {
        return error instanceof QuotaError
      }
    }),
  )
})
