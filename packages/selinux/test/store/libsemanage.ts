import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { libraryCheck, libraryCommand, parseValues, renderRequest } from '../../src/store/libsemanage.ts'
import { moduleName } from '../../src/store/modules.ts'
import { planPolicy } from '../../src/store/plan.ts'
import { observedStore } from '../support/store.ts'

void t.test('renderRequest() renders every change of a change set', async (t) => {
  const { changes } = planPolicy(
    {
      modules: { puppy_a: '(boolean own false)' },
      remove: ['puppy_b'],
      booleans: { own: true, other: false, third: 'default' },
      dontaudit: 'silent',
    },
    observedStore(['puppy_b-000000000000'], { booleans: { third: true }, dontaudit: 'logged', empty: ['/etc/x'] }),
  )
  const options = { root: '/', type: 'default', reload: true, fileOf: (name: string) => `/var/${name}` }
  t.strictSame(JSON.parse(renderRequest(changes, options)), {
    root: '/',
    type: 'default',
    reload: 1,
    remove: ['puppy_b-000000000000'],
    install: [`/var/${moduleName('puppy_a', '(boolean own false)')}`],
    enable: [],
    disable: [],
    booleans: { own: 1, other: 0, third: null },
    declared: ['own'],
    rebuild: true,
    silent: true,
  })
  t.match(JSON.parse(renderRequest([], { ...options, reload: false })), { reload: 0, rebuild: false, silent: null })
})

void t.test('libraryCommand() names the package of a missing program', async (t) => {
  t.throws(() => libraryCommand(createFakeHost(), '/run/x'), { code: 'SELINUX_NOT_INSTALLED', message: /python3/ })
  const host = createFakeHost({ programs: { '/usr/bin/python3': () => ({}) } })
  const [program, isolated, script, request] = libraryCommand(host, '/run/x')
  t.strictSame([program, isolated, request], ['/usr/bin/python3', '-I', '/run/x'])
  t.match(script, /\/store\/transaction\.py$/)
  t.strictSame(libraryCheck(host)?.slice(0, 3), ['/usr/bin/python3', '-I', '-c'])
  t.equal(libraryCheck(createFakeHost()), undefined)
})

void t.test('parseValues() parses only lines of booleans', async (t) => {
  t.strictSame(parseValues('boolean a 1\nanything\nboolean b 0\nboolean c 2\nboolean d 1 \nended well\n'), {
    a: true,
    b: false,
  })
  t.strictSame(parseValues(''), {})
})
