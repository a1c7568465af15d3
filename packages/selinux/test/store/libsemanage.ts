import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { libraryCommand, parseValues, renderRequest } from '../../src/store/libsemanage.ts'
import { planPolicy } from '../../src/store/plan.ts'
import { seenStore } from '../support/store.ts'

void t.test('renderRequest() says all that a plan changes', async (t) => {
  const { changes } = planPolicy(
    {
      modules: { puppy_a: '(boolean own false)' },
      remove: ['puppy_b'],
      booleans: { own: true, other: false, third: 'default' },
      dontaudit: 'silent',
    },
    seenStore(['puppy_b-000000000000'], { booleans: { third: true }, dontaudit: 'logged', empty: ['/etc/x'] }),
  )
  const options = { root: '/', type: 'default', reload: true, fileOf: (name: string) => `/var/${name}` }
  t.matchOnlyStrict(JSON.parse(renderRequest(changes, options)), {
    root: '/',
    type: 'default',
    reload: 1,
    remove: ['puppy_b-000000000000'],
    install: [/^\/var\/puppy_a-/],
    enable: [],
    disable: [],
    booleans: { own: 1, other: 0, third: null },
    declared: ['own'],
    rebuild: true,
    silent: true,
  })
  t.match(JSON.parse(renderRequest([], { ...options, reload: false })), { reload: 0, rebuild: false, silent: null })
})

void t.test('libraryCommand() names the package of what is missing', async (t) => {
  t.throws(() => libraryCommand(createFakeHost(), '/run/x'), { code: 'SELINUX_NOT_INSTALLED', message: /python3/ })
  const host = createFakeHost({ programs: { '/usr/bin/python3': () => ({}) } })
  t.matchOnlyStrict(libraryCommand(host, '/run/x'), ['/usr/bin/python3', '-I', /transaction\.py$/, '/run/x'])
})

void t.test('parseValues() takes its own lines only', async (t) => {
  t.strictSame(parseValues('boolean a 1\nanything\nboolean b 0\nboolean c 2\nboolean d 1 \nended well\n'), {
    a: true,
    b: false,
  })
  t.strictSame(parseValues(''), {})
})
