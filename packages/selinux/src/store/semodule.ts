import type { PolicyChange } from './change.ts'

/**
 * Returns whether semodule(8) can make all of these changes. It cannot set booleans. It cannot hide denials again (`-B`) together with a
 * change of a module.
 */
export function isForSemodule(changes: readonly PolicyChange[]): boolean {
  const silences = changes.some(({ action }) => action === 'silence')
  return !changes.some(({ action }) => action === 'set') && !(silences && changes.some(isOfModule))
}

function isOfModule({ action }: PolicyChange): boolean {
  return action in flags
}

/**
 * Returns the arguments of semodule(8) for changes. The texts of modules are in files.
 *
 * Removals come first, because two versions of a module would declare the same names twice. Every change of a module rebuilds the policy.
 * `-B` excludes every other flag, so it is used only without changes of modules. `-B` hides denials unless `-D` is present.
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
