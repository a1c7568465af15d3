import t from 'tap'
import { noLogin, planLogins, sameState, type Login } from '../../src/login/plan.ts'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { someKey } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const login = (n: number, more: Partial<Login> = {}): Login => ({
  slot: slotAt(defaultLayout, n),
  keys: [`${someKey} anna`],
  environment: { PORT: '10240' },
  linger: true,
  open: true,
  ...more,
})

void t.test('planLogins() refuses an invalid login and plans the other logins', (t) => {
  const bad = login(1, { keys: ['nonsense'] })
  const worse = login(2, { environment: { PATH: '/tmp' } })
  const { refused, work, changes } = planLogins([login(0), bad, worse, login(3)], new Map())
  t.matchOnlyStrict(refused.map(shown), [
    { n: 1, target: 'p10001', code: 'ACCOUNT_KEY_INVALID', message: /type base64 comment/ },
    { n: 2, target: 'p10002', code: 'ACCOUNT_ENVIRONMENT_INVALID', message: /"PATH"/ },
  ])
  t.strictSame(
    work.map(({ slot }) => slot.n),
    [0, 3],
  )
  t.strictSame(
    changes.filter(({ target }) => target === 'p10001'),
    [],
  )
  t.end()
})

void t.test('planLogins() removes duplicate keys and shows the changes', (t) => {
  const keys = [`${someKey} anna`, `  ${someKey}  anna `]
  const { work, changes } = planLogins([login(0, { keys, linger: false })], new Map())
  t.equal(work[0]?.after.keys, `${someKey} anna\n`)
  t.strictSame(changes, [
    {
      facility: 'accounts',
      target: 'p10000',
      action: 'write keys',
      before: '0 lines',
      after: '1 line in /etc/puppy/keys/p10000',
    },
    {
      facility: 'accounts',
      target: 'p10000',
      action: 'write variables',
      before: '0 lines',
      after: '1 line in /etc/puppy/env/p10000',
    },
  ])
  t.end()
})

void t.test('planLogins() shows the commands for linger and expiry', (t) => {
  const observed = new Map([['p10000', { environment: 'PORT=10240\n', linger: true, expired: false }]])
  t.strictSame(planLogins([login(0, { open: false })], observed).changes, [
    {
      facility: 'accounts',
      target: 'p10000',
      action: 'set linger',
      before: 'on',
      after: 'off',
      command: 'loginctl disable-linger p10000',
    },
    {
      facility: 'accounts',
      target: 'p10000',
      action: 'set expiry',
      before: 'off',
      after: 'on',
      command: 'usermod --expiredate 1 p10000',
    },
  ])
  t.end()
})

void t.test('planLogins() plans nothing for a login that is right', (t) => {
  const observed = new Map([
    ['p10000', { keys: `${someKey} anna\n`, environment: 'PORT=10240\n', linger: true, expired: false }],
  ])
  const { slot } = login(0)
  t.strictSame(planLogins([login(0)], observed), { changes: [], work: [], ready: [slot], refused: [] })
  const closed = planLogins([login(0, { open: false })], observed)
  t.strictSame(closed.work[0]?.after, { environment: 'PORT=10240\n', linger: false, expired: true })
  t.end()
})

void t.test('noLogin() has no keys, variables and linger, and an expired account', (t) => {
  const observed = new Map([['p10000', { keys: 'k', environment: 'e', linger: true, expired: false }]])
  const { work } = planLogins([noLogin(slotAt(defaultLayout, 0))], observed)
  t.strictSame(work[0]?.after, { linger: false, expired: true })
  t.end()
})

void t.test('sameState() compares every part', (t) => {
  const state = { keys: 'k', environment: 'e', linger: true, expired: false }
  t.equal(sameState(state, { ...state }), true)
  for (const other of [{ keys: 'x' }, { environment: 'x' }, { linger: false }, { expired: true }])
    t.equal(sameState(state, { ...state, ...other }), false)
  t.equal(sameState(state, { linger: true, expired: false }), false)
  t.end()
})

void t.test(
  'planLogins() refuses keys that are too many or no texts, and closes a login whatever its keys are',
  async (t) => {
    const slot = slotAt(defaultLayout, 0)
    const other = slotAt(defaultLayout, 1)
    const login = { slot, environment: {}, linger: false, open: true }
    const good = { ...login, slot: other, keys: [someKey] }
    for (const keys of [[null], [[someKey]], ['x'.repeat(300_000)], Array.from({ length: 101 }, () => someKey)]) {
      const spec = { ...login, keys: keys as readonly string[] }
      const { refused, work } = planLogins([spec, good], new Map())
      t.strictSame(
        [refused.map(({ n, error }) => [n, error.code]), work.map(({ slot: { n } }) => n)],
        [[[0, 'ACCOUNT_KEY_INVALID']], [1]],
      )
      const closed = planLogins(
        [{ ...spec, open: false }],
        new Map([[slot.user, { keys: 'k', linger: false, expired: false }]]),
      )
      t.strictSame([closed.refused, closed.work[0]?.after], [[], { linger: false, expired: true }])
    }
  },
)
