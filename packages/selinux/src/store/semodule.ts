import type { PolicyChange } from './change.ts'

/**
 * Returns whether semodule(8) can make all of these changes. It knows no booleans, and hiding denials again (`-B`) excludes every other
 * change.
 */
export function isForSemodule(changes: readonly PolicyChange[]): boolean {
  const silences = changes.some(({ action }) => action === 'silence')
  return !changes.some(({ action }) => action === 'set') && !(silences && changes.some(isOfModule))
}

function isOfModule({ action }: PolicyChange): boolean {
  return action in flags
}

/**
 * Returns the words of semodule(8) for changes, whose modules' texts are files.
 *
 * Removals come first: two versions of a module would declare the same twice. Every change rebuilds the policy, so `-B`, which excludes every
 * other flag, is for changes without a module. It hides denials by itself unless `-D` is given.
 *
 * @param logged whether hidden denials are logged now
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
  const asked = changes.find(({ action }) => action === 'log' || action === 'silence')?.action
  if (words.length > 0) return [...(asked === 'log' ? ['-D'] : []), '-X', '400', ...words]
  return (asked ?? (logged ? 'log' : 'silence')) === 'log' ? ['-D', '-B'] : ['-B']
}

const flags = { remove: '-r', install: '-i', enable: '-e', disable: '-d' } as const
