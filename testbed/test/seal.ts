import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createHost, type Host } from '@puppy/host'
import t, { type Test } from 'tap'
import { findDefinition } from '../src/definition.ts'
import type { BuildContext } from '../src/build.ts'
import { createPaths } from '../src/paths.ts'
import { seal } from '../src/seal.ts'

const real = createHost()
const skip = real.program('qemu-img') === undefined && 'qemu-img is not installed'

/** Creates the folder of a build, with a script in place of QEMU. */
async function testBuild(t: Test, script: string) {
  const building = t.testdir({ machine: `#!/bin/sh\n${script}\n` })
  execFileSync('chmod', ['+x', `${building}/machine`])
  await writeFile(`${building}/root.img`, Buffer.alloc(1 << 20))
  const said: string[] = []
  const program = (name: string) => (name === 'qemu-system-x86_64' ? `${building}/machine` : real.program(name))
  const host: Host = { ...real, program }
  const context: BuildContext = { host, paths: createPaths(), accelerator: 'tcg', say: (line) => said.push(line) }
  return { building, said, seal: (timeout: number) => seal(context, findDefinition(undefined), building, timeout) }
}

void t.test('seal() tries again with the original disks when a machine hangs', { skip }, async (t) => {
  const { building, said, seal } = await testBuild(
    t,
    `if [ ! -e second ]; then touch second; qemu-io -c 'write -P 1 0 64k' sealed.qcow2; echo booting >seal.log; exec sleep 600; fi
qemu-io -c 'write -P 2 64k 64k' sealed.qcow2; echo 'TESTBED SEALED' >seal.log; exec sleep 600`,
  )
  await seal(2000)
  t.match(said.join(), /did not end within 2 s \(it printed: booting\); trying again/)
  const root = await readFile(`${building}/root.img`)
  t.equal(root[0], 0)
  t.equal(root[65_536], 2)
})

void t.test('seal() throws the output of a machine that failed or never ended', { skip }, async (t) => {
  const failing = await testBuild(t, "echo 'mkfs: no; TESTBED FAILED mkfs' >seal.log")
  await t.rejects(failing.seal(2000), { message: /machine printed: mkfs: no; TESTBED FAILED mkfs/ })
  const silent = await testBuild(t, 'exec sleep 600')
  await t.rejects(silent.seal(200), { message: /machine printed: nothing/ })
  const broken = await testBuild(t, 'echo no such machine >&2; exit 1')
  await t.rejects(broken.seal(2000), { message: /no such machine/ })
})
