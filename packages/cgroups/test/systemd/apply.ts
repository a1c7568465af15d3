import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { notePath } from '../../src/systemd/paths.ts'
import { machine } from '../support/machine.ts'

const slice = 'user-5.slice'
const limits = { pids: { max: 5 } }

void t.test('apply() refuses only the slice whose drop-in cannot be written', async (t) => {
  const { host, slices } = machine()
  await host.makeFolder('/etc/systemd/system')
  await host.replace(`/etc/systemd/system/${slice}.d`, 'a file stands where its folder should')
  const spec = [slice, 'user-6.slice'].map((name) => ({ slice: name, limits }))
  matchWhole(t, (await slices.ensure(spec)).results, [
    { status: 'refused', changed: false, error: { code: 'CGROUP_REFUSED', message: /user-5/ } },
    { status: 'armed', changed: true },
  ])
})

void t.test('ensure() removes temporary files of a killed run', async (t) => {
  const { host, slices } = machine()
  await host.makeFolder('/run/puppy-cgroups')
  await host.replace(notePath(), '')
  await host.makeFolder(`/etc/systemd/system/${slice}.d`)
  await host.replace(`/etc/systemd/system/${slice}.d/.puppy-0123456789ab.tmp`, '')
  await slices.ensure([{ slice, limits }])
  t.strictSame(await host.list(`/etc/systemd/system/${slice}.d`), ['50-puppy.conf'])
})
