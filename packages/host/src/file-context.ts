import { HostError } from './errors.ts'
import { runOptions, type EffectOptions } from './facility/effect.ts'
import { missingTool, requireTool, type Tool } from './facility/tool.ts'
import type { Host } from './host.ts'

/** Paths for one program. They always fit into the argument limit of the kernel. */
const atOnce = 200

/** Returns whether SELinux is enabled in the kernel of this host. False for a host that is only a folder. */
export async function hasSelinux(host: Pick<Host, 'live' | 'status'>): Promise<boolean> {
  return host.live && (await host.status('/sys/fs/selinux/enforce')) !== undefined
}

/**
 * Returns whether a text has the form of an SELinux context: `system_u:object_r:etc_t:s0`, with or without a level. Pure.
 *
 * False for `<<none>>`, which a policy uses for files without a context.
 */
export function isContext(text: string): boolean {
  return /^[^:\s<>]+:[^:\s<>]+:[^:\s<>]+(?::\S+)?$/.test(text)
}

/**
 * Reads the contexts that the policy has for these paths, whether or not the files exist. Undefined for a path without a context in the
 * policy. Undefined for all paths when SELinux is not enabled or matchpathcon(8) is not installed.
 *
 * @param paths absolute, as the machine sees them
 * @throws HostError as `Host.run`
 * @see matchpathcon(8), selabel_lookup(3)
 */
export async function readPolicyContexts(
  host: Host,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<readonly (string | undefined)[]> {
  assertAbsolute(paths)
  const program = host.program('matchpathcon')
  if (paths.length === 0 || program === undefined || !(await hasSelinux(host))) return paths.map(() => undefined)
  const { stdout } = await host.run([program, '-n', ...paths], runOptions('nothing', options))
  const lines = stdout.split('\n')
  return paths.map((_, index) => {
    const context = lines[index]?.trim() ?? ''
    return isContext(context) ? context : undefined
  })
}

/**
 * Reads the contexts of files by path, without following links. The result leaves out files that do not exist, and has an empty text for
 * files without a context. Runs one process for all files.
 *
 * @throws HostError as `Host.run`, `HOST_PROGRAM_NOT_FOUND` without find(1)
 */
export async function readContexts(
  host: Host,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<ReadonlyMap<string, string>> {
  assertAbsolute(paths)
  if (paths.length === 0) return new Map()
  const format = String.raw`%Z\0%p\0`
  const command = [
    requireProgram(host, 'find'),
    '-P',
    '-files0-from',
    '-',
    '-maxdepth',
    '0',
    '-printf',
    format,
  ] as const
  const input = paths.map((path) => `${host.path(path)}\0`).join('')
  const { stdout } = await host.run(command, runOptions('nothing', options, { input, accept: [0, 1] }))
  const words = stdout.split('\0')
  const found = new Map(words.flatMap((word, at) => (at % 2 === 1 ? [[word, words[at - 1] ?? ''] as const] : [])))
  return new Map(
    paths.flatMap((path) => {
      const context = found.get(host.path(path))
      return context === undefined ? [] : [[path, context] as const]
    }),
  )
}

/**
 * Sets the context of files, without following links. Does nothing when SELinux is not enabled.
 *
 * @throws TypeError for a text that is not a context
 * @throws HostError as `Host.run`, `HOST_PROGRAM_NOT_FOUND` without chcon(1)
 */
export async function setContext(
  host: Host,
  context: string,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<void> {
  if (!isContext(context)) throw new TypeError(`Not an SELinux context: ${JSON.stringify(context)}`)
  await chcon(host, context, paths, options)
}

/**
 * Copies the context of one file to other files, without following links. Does nothing when SELinux is not enabled.
 *
 * @param model the file whose context is copied
 * @throws HostError as `Host.run`, `HOST_PROGRAM_NOT_FOUND` without chcon(1)
 */
export async function copyContext(
  host: Host,
  model: string,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<void> {
  await chcon(host, `--reference=${host.path(model)}`, paths, options)
}

async function chcon(host: Host, what: string, paths: readonly string[], options: EffectOptions): Promise<void> {
  assertAbsolute(paths)
  if (paths.length === 0 || !(await hasSelinux(host))) return
  const program = requireProgram(host, 'chcon')
  const located = paths.map((path) => host.path(path))
  for (let at = 0; at < located.length; at += atOnce) {
    const some = located.slice(at, at + atOnce)
    const words = what.startsWith('--') ? [what, '--', ...some] : ['--', what, ...some]
    await host.run([program, '--no-dereference', ...words], runOptions('files', options))
  }
}

function requireProgram(host: Host, name: Tool): string {
  return requireTool(host, name, () => {
    const { operation, target, detail, steps } = missingTool(name)
    return new HostError('HOST_PROGRAM_NOT_FOUND', {
      operation: `${operation} ${target}`,
      ...(detail === undefined ? {} : { detail: `${detail}; to enable it: ${steps?.join(', then ')}` }),
    })
  })
}

function assertAbsolute(paths: readonly string[]): void {
  const wrong = paths.find((path) => !path.startsWith('/') || path.includes('\0'))
  if (wrong !== undefined)
    throw new TypeError(`A path must be absolute and must not contain a NUL: ${JSON.stringify(wrong)}`)
}
