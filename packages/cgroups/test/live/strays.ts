import { copyFile, chmod } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openCgroups } from '../../src/index.ts'
import { readStrays } from '../../src/strays.ts'
import { eventually, whyNot } from '../support/tenants.ts'

const host = createHost()
const skip = await whyNot(host, 'sleep')
const uid = 10_961
const base = `/var/tmp/puppy-strays-${process.pid}`
const group = `puppy-live-strays-${process.pid}`
t.setTimeout(120_000)

/** The name of a process is the name of its file, up to 15 bytes. A file name may have any character except a slash. */
const names = ['\rUid:\t0\t0', '\nUid:\t0\t0\t0\t0', 'a\\nUid:\t0', ') R 1 (']

void t.test('readStrays() finds a process with any name', { skip }, async (t) => {
  const cgroups = openCgroups(host)
  const children = [] as ReturnType<typeof spawn>[]
  t.teardown(async () => {
    for (const child of children) child.kill('SIGKILL')
    await cgroups.remove(group, { kill: true })
    for (const name of names) await host.remove(`${base}/${name}`)
    await host.remove(base)
  })
  await cgroups.create(group)
  await host.makeFolder(base, { mode: 0o755 })
  const pids: number[] = []
  for (const name of names) {
    const file = `${base}/${name}`
    await copyFile(host.program('sleep') ?? '', file)
    await chmod(file, 0o755)
    const child = spawn(file, ['600'], { stdio: 'ignore', uid, gid: uid })
    children.push(child)
    await once(child, 'spawn')
    await cgroups.add(group, child.pid ?? 0)
    pids.push(child.pid ?? 0)
  }
  const found = async () => (await readStrays(host, [uid])).toSorted((one, other) => one.pid - other.pid)
  // Until the child has executed its program, it has the name of this process.
  await eventually(async () => (await found()).every(({ name }) => names.includes(name)))
  t.strictSame(
    (await found()).map((stray) => [stray.pid, stray.uid, stray.name, stray.group]),
    pids
      .map((pid, index) => [pid, uid, names[index], group])
      .toSorted((one, other) => Number(one[0]) - Number(other[0])),
  )
  t.strictSame(await readStrays(host, [uid + 1]), [])
})
