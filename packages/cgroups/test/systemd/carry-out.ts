import t from 'tap'
import { notePath } from '../../src/systemd/observe.ts'
import { ensureSlices } from '../../src/systemd/slices.ts'
import { machine } from '../support/machine.ts'

const slice = 'user-5.slice'
const limits = { pids: { max: 5 } }

void t.test('ensureSlices() refuses the slice alone whose drop-in cannot be written', async (t) => {
  const { host, options } = machine()
  await host.makeFolder('/etc/systemd/system')
  await host.replace(`/etc/systemd/system/${slice}.d`, 'a file stands where its folder should')
  const wanted = [slice, 'user-6.slice'].map((name) => ({ slice: name, limits }))
  const { results } = await ensureSlices(host, wanted, options)
  t.strictSame(
    results.map(({ slice, status, changed }) => ({ slice, status, changed })),
    [
      { slice, status: 'refused', changed: false },
      { slice: 'user-6.slice', status: 'armed', changed: true },
    ],
  )
  t.match(results[0]?.error, { code: 'CGROUP_REFUSED', message: /user-5/ })
})

void t.test('ensureSlices() takes away what was left half written', async (t) => {
  const { host, options } = machine()
  await host.makeFolder('/run/puppy-cgroups')
  await host.replace(notePath(), '')
  await host.makeFolder(`/etc/systemd/system/${slice}.d`)
  await host.replace(`/etc/systemd/system/${slice}.d/.puppy-0123456789ab.tmp`, '')
  await ensureSlices(host, [{ slice, limits }], options)
  t.strictSame(await host.list(`/etc/systemd/system/${slice}.d`), ['50-puppy.conf'])
})
