import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { renderUnit } from '../../src/lifecycle/unit.ts'
import { testFolder } from '../support/proxy.ts'

const analyze = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path))

void t.test('renderUnit() restarts HAProxy at once and without a limit', async (t) => {
  const unit = renderUnit({
    command: ['/usr/sbin/haproxy', '-Ws', '-f', '/f/haproxy.cfg'],
    runFolder: '/run/puppy',
    before: [],
  })
  t.match(unit, /^Type=notify$/m)
  t.match(unit, /^ExecStart=\/usr\/sbin\/haproxy -Ws -f \/f\/haproxy\.cfg$/m)
  t.match(unit, /^Restart=always\nRestartSec=200ms$/m)
  t.match(unit, /^StartLimitIntervalSec=0$/m)
})

void t.test('renderUnit() sets the contexts before every start, after it creates the folder', async (t) => {
  const before = [['/usr/bin/chcon', '-R', '--', 'system_u:object_r:haproxy_conf_t:s0', '/f']] as const
  const unit = renderUnit({ command: ['/x'], runFolder: '/r', before })
  t.match(
    unit,
    /mkdir .*\nExecStartPre=-\/usr\/bin\/chcon -R -- system_u:object_r:haproxy_conf_t:s0 \/f\nExecStart=\/x$/m,
  )
})

void t.test('renderUnit() quotes spaces and doubles what systemd would expand', async (t) => {
  const unit = renderUnit({ command: ['/x', 'a b', '100%', '$HOME', 'say "\\"'], runFolder: '/r', before: [] })
  t.match(unit, 'ExecStart=/x "a b" 100%% $$HOME "say \\"\\\\\\""\n')
})

void t.test('renderUnit() refuses a line end', async (t) => {
  const attempt = () => renderUnit({ command: ['/x', 'a\nUser=root'], runFolder: '/r', before: [] })
  t.throws(attempt, { code: 'HAPROXY_NOT_ENCODABLE' })
})

void t.test(
  'systemd accepts what renderUnit() renders',
  { skip: analyze === undefined ? 'systemd-analyze is not installed' : false },
  async (t) => {
    const file = `${testFolder(t)}/puppy-test.service`
    writeFileSync(file, renderUnit({ command: ['/bin/true', 'a b', '%', '$x'], runFolder: '/tmp', before: [] }))
    const verified = () => execFileSync(analyze ?? '', ['verify', '--recursive-errors=no', file], { stdio: 'pipe' })
    t.doesNotThrow(verified)
  },
)
