import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices } from '../../../../src/index.ts'
import { dropInPath } from '../../../../src/systemd/paths.ts'
import { inForce, options, spec, uids } from '../../../support/reboot.ts'
import { createTenants } from '../../../support/tenants.ts'

const host = createHost()
const slices = openSlices(host, options)
const there = (await host.status(dropInPath(spec[0]?.slice ?? ''))) !== undefined
const skip = there ? false : 'the test in reboot/before did not run'
t.setTimeout(300_000)

const bind = `python3 -c "
import socket
for port in 20001, 3000:
  s=socket.socket()
  try: s.bind(('127.0.0.1',port)); print('port',port,'bound')
  except OSError as e: print('port',port,e.errno)
"`

void t.test('after a reboot, limits apply from the first login on', { skip }, async (t) => {
  const tenants = await createTenants(t, host, uids)
  t.teardown(async () => {
    await slices.remove(spec.map(({ slice }) => slice))
  })
  const files = Object.keys(inForce)
  for (const { ssh, path, name } of tenants) {
    t.equal(await host.status(`/sys/fs/cgroup/${path}`), undefined, `${name}: no session exists yet`)
    // The first login itself reads the files, because it is the first event in its slice.
    const said = await ssh(`cd /sys/fs/cgroup/${path}; for file in ${files.join(' ')}; do cat $file; done; ${bind}`)
    const lines = said.split('\n')
    t.strictSame(Object.fromEntries(files.map((file, index) => [file, lines[index]])), inForce)
    t.comment(`${name}: ${lines.slice(files.length).join(', ')}`)
    t.match(lines[files.length], 'port 20001 bound')
  }
  const sessions = tenants.map(({ ssh }) => ssh('sleep 20'))
  const bound = await Promise.all(tenants.map(({ ssh }) => ssh(bind)))
  const { changed, results } = await slices.ensure(spec)
  t.equal(changed, false, 'ensure() changes nothing')
  for (const [index, { status, portRules }] of results.entries()) {
    t.equal(status, 'applied')
    t.match(bound[index], portRules === 'set' ? 'port 3000 1' : 'port 3000 bound', `port rules: ${portRules}`)
  }
  await Promise.all(sessions)
})
