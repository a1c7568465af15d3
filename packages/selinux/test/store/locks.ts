import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import { firstOutput } from '@puppy/host/testing'
import t from 'tap'
import { deviceOf, findHolder, parseLocks } from '../../src/store/locks.ts'

void t.test('parseLocks() parses locks and leaves out waiting processes', async (t) => {
  const text = [
    '1: FLOCK  ADVISORY  WRITE 1234 fe:00:1179735 0 EOF',
    '1: -> FLOCK  ADVISORY  WRITE 99 fe:00:1179735 0 EOF',
    '2: POSIX  ADVISORY  READ  -1 00:1a:42 128 128',
    '3: LEASE  ACTIVE    READ  7 00:1a:43 0 EOF',
    'nonsense',
  ].join('\n')
  t.strictSame(parseLocks(text), [
    { pid: 1234, device: 'fe:00', inode: '1179735' },
    { pid: -1, device: '00:1a', inode: '42' },
  ])
  fc.assert(fc.property(fc.string(), (hostile) => Array.isArray(parseLocks(hostile))))
  t.strictSame(['fe00', '1a', '801', '10300fe'].map(deviceOf), ['fe:00', '00:1a', '08:01', '300:10fe'])
})

void t.test(
  'findHolder() returns the process that holds a lock',
  { skip: createHost().program('flock') === undefined && 'no flock' },
  async (t) => {
    const host = createHost()
    const path = join(t.testdir({}), 'lock')
    t.equal(await findHolder(host, path), undefined, 'no such file')
    await writeFile(path, '')
    t.equal(await findHolder(host, path), undefined, 'no process')
    const holder = spawn('flock', ['--no-fork', path, 'sh', '-c', 'echo held; read _'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await firstOutput(holder)
    t.match(await findHolder(host, path), { pid: Number, name: 'sh' })
    holder.stdin.end('\n')
    await once(holder, 'exit')
    t.equal(await findHolder(host, path), undefined, 'the process has ended')
  },
)

void t.test('findHolder() refuses output of stat in an unknown form', async (t) => {
  const host = createFakeHost({ files: { '/lock': '' }, programs: { '/usr/bin/stat': () => ({ stdout: '?' }) } })
  await t.rejects(findHolder(host, '/lock'), { code: 'SELINUX_UNREADABLE' })
})
