import type { PolicyChange } from './plan.ts'

/**
 * Whether semodule(8) can do all of a plan. It knows no booleans, and hiding denials again (`-B`) goes with nothing else.
 */
export function isForSemodule(changes: readonly PolicyChange[]): boolean {
  const silent = changes.some((change) => change.action === 'dontaudit' && change.value === 'silent')
  return !changes.some(({ action }) => action === 'set') && !(silent && changes.some(isOfModule))
}

function isOfModule({ action }: PolicyChange): boolean {
  return action in flags
}

/**
 * The words of semodule(8) for a plan, whose modules' texts are files in a folder.
 *
 * Removals come first: two versions of a module would say the same twice. Every change makes everything anew, so `-B`, which goes with nothing
 * else, is for a plan that changes no module. It hides denials by itself, unless told not to.
 *
 * @param logged whether hidden denials are written down, and nobody wants that changed
 */
export function semoduleWords(
  changes: readonly PolicyChange[],
  fileOf: (name: string) => string,
  logged = false,
): readonly string[] {
  const words = (['remove', 'install', 'enable', 'disable'] as const).flatMap((action) =>
    changes.flatMap((change) => {
      if (change.action !== action) return []
      return [flags[action], change.action === 'install' ? fileOf(change.name) : change.name]
    }),
  )
  const [dontaudit] = changes.flatMap((change) => (change.action === 'dontaudit' ? [change.value] : []))
  if (words.length > 0) return [...(dontaudit === 'logged' ? ['-D'] : []), '-X', '400', ...words]
  return (dontaudit ?? (logged ? 'logged' : 'silent')) === 'logged' ? ['-D', '-B'] : ['-B']
}

const flags = { remove: '-r', install: '-i', enable: '-e', disable: '-d' } as const
