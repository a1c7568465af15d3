import { parseArgs, type ParseArgsConfig } from 'node:util'
import { StartError } from '@puppy/state'

/** Parses the options of a command, such as `--free 3`. @throws StartError for an unknown option or one without its value. */
export function parseOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error))
  }
}
