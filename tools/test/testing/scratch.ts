import t from 'tap'
import { isUsable } from '../../testing/scratch.ts'

const room = 4 * 1024 ** 3
const rows: readonly (readonly [
  title: string,
  fileSystem: string,
  options: readonly string[],
  free: number,
  usable: boolean,
])[] = [
  ['memory with enough space', 'tmpfs', ['rw', 'relatime'], room, true],
  ['a disk', 'ext4', ['rw'], room, false],
  ['memory with too little space, as in a container', 'tmpfs', ['rw'], 64 * 1024 ** 2, false],
  ['memory with noexec', 'tmpfs', ['rw', 'noexec'], room, false],
  ['read-only memory', 'tmpfs', ['ro'], room, false],
]
for (const [title, fileSystem, mountOptions, free, usable] of rows) {
  void t.test(`isUsable() returns ${usable} for ${title}`, async (t) => {
    t.equal(isUsable({ fileSystem, mountOptions }, free), usable)
  })
}

void t.test('isUsable() returns false without a mount', async (t) => {
  t.equal(isUsable(undefined, room), false)
})
