import t from 'tap'
import { createHost } from '../src/index.ts'
import { cannotMount, inMountNamespace } from './support/mount-namespace.ts'

const skip = cannotMount()

/** Runs a script in a mount namespace of its own. `mount(path)` mounts a tmpfs there, and `mountAt(path)` returns the last mount at it. */
function inNamespace(folder: string, script: string): unknown {
  const source = new URL('../src/', import.meta.url).href
  const all = `
    import { execFileSync } from 'node:child_process'
    import { existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
    import { createHost } from '${source}index.ts'
    import { readMounts } from '${source}proc/index.ts'
    const host = createHost()
    const folder = ${JSON.stringify(folder)}
    const mount = (path) => execFileSync('mount', ['-t', 'tmpfs', 'none', path])
    const mountAt = async (path) => (await readMounts(host)).findLast(({ mountPoint }) => mountPoint === path)
    const print = (value) => console.log(JSON.stringify(value))
    ${script}`
  return inMountNamespace(all)
}

void t.test('unmount() unmounts a mount and those below it', { skip }, async (t) => {
  const seen = inNamespace(
    t.testdir({ a: {}, b: {} }),
    `mount(folder + '/a'); mkdirSync(folder + '/a/c'); mount(folder + '/a/c'); mount(folder + '/b')
     const a = await mountAt(folder + '/a')
     const done = [await host.unmount(a), await host.unmount(a)]
     print([done, (await readMounts(host)).map(({ mountPoint }) => mountPoint).filter((path) => path.startsWith(folder))])`,
  )
  t.matchOnlyStrict(seen, [[true, false], [/\/b$/]])
})

void t.test('unmount() leaves a mount that another one covers', { skip }, async (t) => {
  const seen = inNamespace(
    t.testdir({ a: {} }),
    `mount(folder + '/a'); const below = await mountAt(folder + '/a'); mount(folder + '/a'); const above = await mountAt(folder + '/a')
     print([await host.unmount(below), await host.unmount(above), await host.unmount(below)])`,
  )
  t.strictSame(seen, [false, true, true])
})

void t.test('unmount() does not follow a link in place of the mount point', { skip }, async (t) => {
  const seen = inNamespace(
    t.testdir({ a: { m: {} }, b: { m: {} } }),
    `mount(folder + '/a/m'); mount(folder + '/b/m')
     const a = await mountAt(folder + '/a/m')
     // The kernel reports the new path of a moved mount. The program that read the old path must not follow what is there now.
     renameSync(folder + '/a', folder + '/c'); symlinkSync(folder + '/b', folder + '/a')
     print([await host.unmount(a), (await readMounts(host)).map(({ mountPoint }) => mountPoint).filter((path) => path.startsWith(folder))])`,
  )
  t.matchOnlyStrict(seen, [true, [/\/b\/m$/]])
})

void t.test('unmount() unmounts at a path that is not UTF-8', { skip }, async (t) => {
  const seen = inNamespace(
    t.testdir({}),
    `const odd = Buffer.concat([Buffer.from(folder + '/'), Buffer.from([0xff, 0x20, 0xfe])]); mkdirSync(odd)
     execFileSync('sh', ['-c', 'cd "$1" && mount -t tmpfs none "$(ls)"', 'sh', folder])
     const found = (await readMounts(host)).find(({ mountPoint }) => mountPoint.startsWith(folder))
     print([await host.unmount(found), (await readMounts(host)).filter(({ mountPoint }) => mountPoint.startsWith(folder)).length])`,
  )
  t.strictSame(seen, [true, 0])
})

void t.test('unmount() is refused on a host that is only a folder', async (t) => {
  const mount = {
    id: 1,
    parent: 1,
    device: '0:1',
    root: '/',
    mountPoint: '/',
    mountOptions: [],
    fileSystem: 'x',
    source: '',
    options: [],
  }
  await t.rejects(createHost({ root: t.testdir({}) }).unmount(mount), { code: 'HOST_NOT_LIVE' })
})
