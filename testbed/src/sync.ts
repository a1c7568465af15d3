import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { TestbedError } from './errors.ts'
import type { Guest } from './guest.ts'
import { tail } from './build.ts'
import { sshWords } from './ssh.ts'

/** The folder of the checkout in a guest. */
export const guestCheckout = '/srv/puppy'

/** Unpacks beside the old tree and then replaces it, so that files that were deleted here are also deleted in the guest. */
const receive = [
  'set -e; umask 022',
  `rm -rf ${guestCheckout}.new ${guestCheckout}.old`,
  `mkdir ${guestCheckout}.new`,
  `tar -x -C ${guestCheckout}.new`,
  `ln -s /srv/dependencies ${guestCheckout}.new/node_modules`,
  `restorecon -R ${guestCheckout}.new`,
  `[ ! -e ${guestCheckout} ] || mv ${guestCheckout} ${guestCheckout}.old`,
  `mv ${guestCheckout}.new ${guestCheckout}`,
  `rm -rf ${guestCheckout}.old`,
].join('\n')

/**
 * Copies the checkout into a guest: tracked files and new files that git does not ignore, with their present content. Returns the number of
 * files.
 *
 * @throws TestbedError
 */
export async function syncCheckout(checkout: string, guest: Guest): Promise<number> {
  const files = await checkoutFiles(checkout)
  const archive = ['-c', '--owner=0', '--group=0', '--mode=u+rwX,go=rX', '--null', '--no-recursion', '-T', '-']
  const result = await execa('tar', archive, { cwd: checkout, input: files.join('\0'), reject: false }).pipe(
    'ssh',
    [...sshWords(guest.port), '127.0.0.1', receive],
    { cwd: guest.folder, timeout: 300_000, reject: false },
  )
  const failed = [result, ...result.pipedFrom].find((one) => one.failed)
  if (failed !== undefined) {
    throw new TestbedError(
      `Cannot copy the checkout to ${guest.name}: ${tail(String(failed.stderr)) || failed.shortMessage}`,
    )
  }
  return files.length
}

/** Lists tracked files, new files that git does not ignore, and pnpm's links between the packages. */
async function checkoutFiles(checkout: string): Promise<readonly string[]> {
  // Without `safe.directory`, git refuses to list the files of a checkout that belongs to another user.
  const words = ['-c', `safe.directory=${checkout}`, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { stdout, failed, stderr } = await execa('git', words, { cwd: checkout, reject: false })
  if (failed) throw new TestbedError(`Cannot list the checkout's files with git: ${tail(stderr)}`)
  const known = stdout.split('\0').filter((path) => path !== '' && existsSync(join(checkout, path)))
  return [...known, ...linkedDependencies(checkout)]
}

/** Returns the links `packages/<package>/node_modules/<dependency>`, and those of `testbed`. Each is a relative link. */
export function linkedDependencies(checkout: string): readonly string[] {
  const rooms = [...readdirSync(join(checkout, 'packages')).map((name) => `packages/${name}`), 'testbed']
  return rooms.flatMap((room) => {
    const folder = `${room}/node_modules`
    const entries = existsSync(join(checkout, folder)) ? readdirSync(join(checkout, folder)) : []
    return entries.flatMap((entry) =>
      entry.startsWith('@')
        ? readdirSync(join(checkout, folder, entry)).map((name) => `${folder}/${entry}/${name}`)
        : entry.startsWith('.')
          ? []
          : [`${folder}/${entry}`],
    )
  })
}
