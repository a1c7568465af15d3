/** Projects on real file systems: the files in a folder are charged to its project, and the limit holds. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { assignProject, chooseProject, clearProject, openQuota, readProject } from '../../src/index.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')
const MiB = 1024 * 1024
const range = { first: 73_001, last: 73_099 }
const none = { soft: 'none', hard: 'none' } as const
const daemon = 71_003

for (const mountPoint of ['/home', '/srv/xfs']) {
  const missing = skip || (existsSync(mountPoint) ? false : `${mountPoint} does not exist`)

  void t.test(`${mountPoint}: the folder of a daemon`, { skip: missing }, async (t) => {
    const host = createHost()
    const quota = openQuota(host, mountPoint, { kind: 'project' })
    const folder = `${mountPoint}/puppy quota\nlive`
    const project = chooseProject(await quota.report(), [], range)
    t.teardown(async () => {
      await rm(folder, { recursive: true, force: true })
      await quota.ensure([{ id: project, bytes: none, inodes: none }])
    })
    await mkdir(`${folder}/sub`, { recursive: true })
    await writeFile(`${folder}/-p 1`, 'x'.repeat(100_000))
    await symlink('/etc/passwd', `${folder}/link`)
    execFileSync('mkfifo', [`${folder}/fifo`])
    execFileSync('chown', ['-R', String(daemon), folder])

    await assignProject(host, folder, project)
    t.strictSame(await readProject(host, folder), { project, inherits: true })
    t.strictSame(await readProject(host, '/etc').catch(() => 'none'), { project: 0, inherits: false })
    execFileSync('sync', ['-f', mountPoint])
    const [charged] = await quota.report([project])
    t.ok((charged?.bytes.used ?? 0) >= 100_000, `${charged?.bytes.used} bytes are charged`)
    t.equal(charged?.inodes.used, 3, 'two folders and a file')
    t.equal(chooseProject(await quota.report(), [], range), project + 1, 'its id is not chosen again')

    t.match(await quota.ensure([{ id: project, bytes: { hard: 2 * MiB } }]), { changed: true })
    const words = ['--reuid', String(daemon), '--regid', String(daemon), '--clear-groups', '--']
    const dd = ['dd', 'if=/dev/zero', `of=${folder}/sub/new`, 'bs=64k', 'count=100', 'conv=fsync']
    const { stderr } = spawnSync('setpriv', [...words, ...dd], { env: { ...process.env, LC_ALL: 'C' } })
    // On XFS, the kernel reports a full project as "no space left".
    t.match(stderr.toString(), /Disk quota exceeded|No space left on device/)
    t.comment(stderr.toString())
    const [full] = await quota.report([project])
    t.ok((full?.bytes.used ?? 0) <= 2 * MiB, `${full?.bytes.used} bytes of 2 MiB are used`)

    await clearProject(host, folder)
    t.strictSame(await readProject(host, folder), { project: 0, inherits: false })
    t.strictSame(await readProject(host, `${folder}/sub`), { project: 0, inherits: false })
    t.strictSame(
      (await quota.report([project])).map(({ id, bytes, inodes }) => [id, bytes.used, bytes.hard, inodes.used]),
      [[project, 0, 2 * MiB, 0]],
    )
  })
}

void t.test('assignProject() is refused on a file system without projects', { skip }, async (t) => {
  await mkdir('/dev/shm/puppy-quota')
  t.teardown(() => rm('/dev/shm/puppy-quota', { recursive: true }))
  await t.rejects(assignProject(createHost(), '/dev/shm/puppy-quota', range.first), { code: 'QUOTA_REFUSED' })
})
