import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { findDefinition, imageId, readInputs, shortHash } from '../src/definition.ts'

const trixie = findDefinition(undefined)
const inputs = new Map([['files/etc/fstab', '- x']])

void t.test(
  'findDefinition() returns the newest Debian by default, and names the known releases in its error',
  async (t) => {
    t.match(trixie, { release: 'trixie', version: 'Debian 13' })
    t.equal(findDefinition('bookworm').version, 'Debian 12')
    t.throws(() => findDefinition('sid'), { message: 'Unknown release "sid"; known releases: trixie, bookworm' })
  },
)

void t.test('imageId() changes with the packages, the files and the key', async (t) => {
  const id = imageId(trixie, inputs, 'key')
  t.match(id, /^[0-9a-f]{16}$/)
  t.equal(imageId({ ...trixie }, new Map(inputs), 'key\n'), id)
  t.not(imageId({ ...trixie, packages: [...trixie.packages, 'vim'] }, inputs, 'key'), id)
  t.not(imageId(trixie, new Map([['files/etc/fstab', 'x x']]), 'key'), id)
  t.not(imageId(trixie, inputs, 'other'), id)
})

void t.test('imageId() does not depend on memory, processors and kernel arguments', async (t) => {
  t.equal(
    imageId({ ...trixie, memoryMiB: 4096, cpus: 1, kernelArguments: [] }, inputs, 'key'),
    imageId(trixie, inputs, 'key'),
  )
})

void t.test('shortHash() depends on where one text ends and the next begins', async (t) => {
  t.not(shortHash(['ab', 'c']), shortHash(['a', 'bc']))
})

void t.test('readInputs() returns only customize and the files below files, with their modes', async (t) => {
  const folder = t.testdir({ customize: '#!/bin/sh', files: { etc: { hosts: 'x' } }, 'debian.ts': '' })
  mkdirSync(`${folder}/files/empty`)
  writeFileSync(`${folder}/files/run`, 'y', { mode: 0o755 })
  t.strictSame(
    [...(await readInputs(folder))],
    [
      ['customize', '- #!/bin/sh'],
      ['files/etc/hosts', '- x'],
      ['files/run', 'x y'],
    ],
  )
})

void t.test('no unit of the definition occurs twice, and its scripts are executable', async (t) => {
  for (const release of ['trixie', 'bookworm']) {
    const { mask, enable, disable } = findDefinition(release)
    const units = [...mask, ...enable, ...disable]
    t.equal(new Set(units).size, units.length)
  }
  const real = await readInputs(fileURLToPath(new URL('../definition', import.meta.url)))
  t.match(real.get('customize'), /^x #!\/bin\/sh/)
  t.match(real.get('files/usr/local/lib/testbed/seal'), /^x #!\/bin\/sh/)
})
