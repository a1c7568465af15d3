import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { GuestDefinition } from '../definition/guest.ts'
import { TestbedError } from './errors.ts'
import { build, programOf, tail, type BuildContext } from './build.ts'
import { sealArguments } from './qemu.ts'

const attempts = 3

/**
 * Creates the volumes and sets the file contexts in a separate machine, because both need root:
 * `definition/files/usr/local/lib/testbed/seal`.
 *
 * The machine writes to overlays. They are committed to the image only after the machine has reported success. When the machine hangs, the
 * next attempt begins with the original disks.
 *
 * @param timeout milliseconds for one attempt. Under emulation it takes 20 seconds for Debian 13 and 240 for Debian 12
 * @throws TestbedError with the end of the machine's console
 */
export async function seal(
  context: BuildContext,
  definition: GuestDefinition,
  building: string,
  timeout = 600_000,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await createDisks(context, definition, building)
    const said = await runMachine(context, building, timeout)
    if (said.includes('TESTBED SEALED')) break
    const why = tail(said) || 'nothing'
    if (said.includes('TESTBED FAILED') || attempt === attempts)
      throw new TestbedError(`Cannot finish the image; the machine printed: ${why}`)
    context.say(
      `The machine that finishes the image did not end within ${timeout / 1000} s (it printed: ${why}); trying again`,
    )
  }
  await build(context, [programOf(context.host, 'qemu-img'), 'commit', '-q', join(building, 'sealed.qcow2')], {
    log: join(building, 'commit.log'),
  })
  await rm(join(building, 'sealed.qcow2'))
}

async function createDisks(context: BuildContext, definition: GuestDefinition, building: string): Promise<void> {
  const create = [programOf(context.host, 'qemu-img'), 'create', '-q', '-f', 'qcow2'] as const
  const log = join(building, 'disks.log')
  await build(context, [...create, '-b', 'root.img', '-F', 'raw', join(building, 'sealed.qcow2')], { log })
  await build(context, [...create, join(building, 'home.qcow2'), definition.homeSize], { log })
  await build(context, [...create, join(building, 'xfs.qcow2'), definition.xfsSize], { log })
}

/** Runs the machine until it ends or the timeout is over. Returns its console. When this process is killed, the kernel ends the machine. */
async function runMachine(context: BuildContext, building: string, timeout: number): Promise<string> {
  const { host, accelerator, paths, signal } = context
  const log = join(building, 'seal.log')
  await rm(log, { force: true })
  const words = [programOf(host, 'qemu-system-x86_64'), ...sealArguments(accelerator, paths.tag)]
  const machine = execa(programOf(host, 'setpriv'), ['--pdeathsig', 'KILL', ...words], {
    cwd: building,
    stdin: 'ignore',
    reject: false,
    forceKillAfterDelay: 10_000,
  })
  let over = false
  void machine.then(() => (over = true))
  const read = () => readFile(log, 'utf8').catch(() => '')
  let grace = 100
  for (const until = Date.now() + timeout; !over && Date.now() < until && grace > 0; await sleep(100)) {
    if (signal?.aborted === true) break
    // The machine prints this last and then turns itself off. If it does not, its data is on its disks nevertheless.
    if (/TESTBED (SEALED|FAILED)/.test(await read())) grace -= 1
  }
  // On SIGTERM, QEMU writes its cached disk data.
  machine.kill('SIGTERM')
  const { exitCode, stderr } = await machine
  if (signal?.aborted === true) throw new TestbedError('Stopped building')
  if (exitCode !== 0 && exitCode !== undefined) throw new TestbedError(`Cannot finish the image: ${tail(stderr)}`)
  return read()
}
