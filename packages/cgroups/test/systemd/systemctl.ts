import t from 'tap'
import { HostError } from '@puppy/host'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { openSystemctl } from '../../src/systemd/systemctl.ts'

const host = (program: FakeProgram) =>
  createFakeHost({ programs: { '/usr/bin/systemctl': program }, files: { '/run/systemd/system/x': '' } })

void t.test('openSystemctl() runs systemctl', async (t) => {
  const machine = host(() => ({}))
  const systemctl = await openSystemctl(machine)
  await systemctl.reload()
  await systemctl.setProperty('a.slice', 'TasksMax=5')
  t.strictSame(machine.commands, [
    ['/usr/bin/systemctl', 'daemon-reload'],
    ['/usr/bin/systemctl', 'set-property', '--runtime', '--', 'a.slice', 'TasksMax=5'],
  ])
})

void t.test('openSystemctl() reports failures', async (t) => {
  await t.rejects(openSystemctl(createFakeHost()), { code: 'CGROUP_UNSUPPORTED' })
  const refusing = await openSystemctl(host(() => ({ exitCode: 1, stderr: 'Access denied\n' })))
  await t.rejects(refusing.setProperty('a.slice', 'x=1'), {
    code: 'CGROUP_REFUSED',
    facts: { target: 'a.slice', said: 'Access denied' },
  })
  const hanging = await openSystemctl(
    host(() => {
      throw new HostError('HOST_TIMEOUT', { operation: 'run' })
    }),
    { timeout: 1 },
  )
  await t.rejects(hanging.reload(), { code: 'CGROUP_TIMEOUT' })
  const ended = await openSystemctl(
    host(() => ({})),
    { signal: AbortSignal.abort() },
  )
  await t.rejects(ended.reload(), { code: 'HOST_ABORTED' })
})
