import { defaultLayout } from '@puppy/accounts'
import { parseDenial, groupDenials } from '@puppy/selinux/denials'
import t from 'tap'
import { denials, lineOf } from '../../src/commands/denials.ts'
import { readConfig } from '../../src/config.ts'

const smallLayout = { ...defaultLayout, portLimit: defaultLayout.firstPort + 32 }

const line = (level: string, more = '') =>
  `type=AVC msg=audit(1795289967.943:4477): avc:  denied  { read } for  pid=635 comm="sh${more}" name="a" scontext=puppy_u:user_r:user_t:${level} tcontext=puppy_u:object_r:user_home_t:s0:c4,c9 tclass=file permissive=0`
const shown = (...lines: readonly string[]) =>
  groupDenials(lines.flatMap((one) => parseDenial(one) ?? [])).map((group) => lineOf(group, smallLayout))

void t.test('denials() prints the tenant, and makes the names of its programs printable', async (t) => {
  t.strictSame(shown(line('s0:c0,c1'), line('s0:c0,c1')), [
    'p10000\t2 times\tthe file a has the level s0:c4,c9 of another tenant; the policy isolates tenants, so no action is needed (program: sh)\t2026-11-21T19:39:27.943Z',
  ])
  t.matchOnlyStrict(shown(line('s0:c1,c2', '\u001b[2J')), [/^p10002\tonce\t.* \(program: sh\\u001b\[2J/])
  t.matchOnlyStrict(shown(line('s0:c900,c901')), [/^s0:c900,c901\t/], 'a level of no slot')
})

void t.test('denials() refuses unknown options, and a host that is a folder', async (t) => {
  const config = readConfig({ PUPPY_ROOT: t.testdir({}) }, { uid: 0, hostname: 'h1', cwd: '/' })
  await t.rejects(denials(config, ['--hidden', 'yes']), { message: /expected logged or silent/ })
  await t.rejects(denials(config, ['--what']), { message: /--what/ })
  await t.rejects(denials(config, []), { message: /only a folder/ })
})
