import t from 'tap'
import { createHost } from '@puppy/host'
import { ensureSlices, removeSlices } from '../../../../src/index.ts'
import { dropInPath } from '../../../../src/systemd/observe.ts'
import { inForce, options, uids, wanted } from '../../../support/reboot.ts'
import { createTenants } from '../../../support/tenants.ts'

const host = createHost()
const there = (await host.status(dropInPath(wanted[0]?.slice ?? ''))) !== undefined
const skip = there ? false : 'its other half did not run before a reboot'
t.setTimeout(300_000)

const bind = `python3 -c "
import socket
for port in 20001, 3000:
  s=socket.socket()
  try: s.bind(('127.0.0.1',port)); print('port',port,'bound')
  except OSError as e: print('port',port,e.errno)
"`

void t.test('after a reboot limits are there at the first login', { skip }, async (t) => {
  const tenants = await createTenants(t, host, uids)
  t.teardown(async () => {
    await removeSlices(
      host,
      wanted.map(({ slice }) => slice),
      options,
    )
  })
  const files = Object.keys(inForce)
  for (const { ssh, path, name } of tenants) {
    t.equal(await host.status(`/sys/fs/cgroup/${path}`), undefined, `${name}: nobody has logged in`)
    // The login asks itself, and is the first thing that happens in its slice.
    const said = await ssh(`cd /sys/fs/cgroup/${path}; for file in ${files.join(' ')}; do cat $file; done; ${bind}`)
    const lines = said.split('\n')
    t.strictSame(Object.fromEntries(files.map((file, index) => [file, lines[index]])), inForce)
    t.comment(`${name}: ${lines.slice(files.length).join(', ')}`)
    t.match(lines[files.length], 'port 20001 bound')
  }
  const sessions = tenants.map(({ ssh }) => ssh('sleep 20'))
  const walls = await Promise.all(tenants.map(({ ssh }) => ssh(bind)))
  const { changed, results } = await ensureSlices(host, wanted, options)
  t.equal(changed, false, 'nothing is left to be done')
  t.strictSame(
    results.map(({ slice, status }) => [slice, status]),
    wanted.map(({ slice }) => [slice, 'applied']),
  )
  for (const [index, { bind: wall }] of results.entries()) {
    t.match(walls[index], wall === 'set' ? 'port 3000 1' : 'port 3000 bound', `walls: ${wall}`)
  }
  await Promise.all(sessions)
})
