import { parseLimit, parseNestedKeyed, parseNumbers, renderNumbers } from '../formats.ts'
import type { DeviceLimits, Limit, Limits } from './limits.ts'
import { deviceKeys, fields, type Kind, type Value } from './settings.ts'

/** Reads one file of a group; undefined when it is not there. */
export type ReadFile = (file: string) => string | undefined

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/**
 * Reads a group's limits out of the kernel's files, in the shape that limits are given in. A file that is not there, or whose
 * text is not of its form, is an absent key.
 *
 * @param like reads only the files that these limits are about, and its hugetlb, misc and raw ones.
 */
export function parseLimits(read: ReadFile, like?: Limits): Limits {
  const limits: Record<string, Record<string, unknown>> = {}
  const put = (controller: string, key: string, value: unknown) => {
    if (value !== undefined) (limits[controller] ??= {})[key] = value
  }
  for (const [controller, key, file, kind] of fields) {
    if (like !== undefined && like[controller]?.[key as never] === undefined) continue
    const text = read(file)
    if (text !== undefined) put(controller, key, parseValue(file, kind, text))
  }
  if (like === undefined || like.io?.max !== undefined) {
    const text = read('io.max')
    if (text !== undefined) put('io', 'max', parseDevices(text))
  }
  for (const size of Object.keys(like?.hugetlb ?? {})) put('hugetlb', size, limitIn(read(`hugetlb.${size}.max`)))
  const misc = like?.misc === undefined ? undefined : read('misc.max')
  for (const name of Object.keys(like?.misc ?? {})) {
    put(
      'misc',
      name,
      limitIn(
        misc
          ?.split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.slice(name.length),
      ),
    )
  }
  for (const file of Object.keys(like?.raw ?? {})) put('raw', file, read(file)?.trim())
  return limits
}

function limitIn(text: string | undefined): Limit | undefined {
  return text === undefined ? undefined : parseLimit(text)
}

function parseValue(file: string, kind: Kind, text: string): Value | undefined {
  const line = text.trim()
  if (file === 'cpu.max') return parseCores(line)
  if (kind === 'flag') return line === '1' ? true : line === '0' ? false : undefined
  if (kind === 'numbers') {
    const numbers = parseNumbers(line)
    return numbers === undefined ? undefined : renderNumbers(numbers)
  }
  if (kind !== 'weight') return parseLimit(line)
  const weight = /^(?:default )?(\d{1,5})$/m.exec(line)?.[1]
  // An idle group's weight reads as 0.
  return weight === undefined || weight === '0' ? undefined : Number(weight)
}

/** `50000 100000`: microseconds in each period; `max 100000` */
function parseCores(line: string): Limit | undefined {
  const [, quota = '', each = ''] = /^(max|\d{1,15}) (\d{1,9})$/.exec(line) ?? []
  if (quota === 'max') return 'max'
  return quota === '' || Number(each) === 0 ? undefined : Number(quota) / Number(each)
}

/** `254:0 rbps=10000000 wbps=max riops=max wiops=max` */
function parseDevices(text: string): readonly DeviceLimits[] {
  return [...parseNestedKeyed(text)].flatMap(([device, values]) => {
    if (!/^\d+:\d+$/.test(device)) return []
    const limits: Mutable<DeviceLimits> = { device }
    for (const key of deviceKeys) {
      const limit = limitIn(values.get(key))
      if (limit !== undefined) limits[key] = limit
    }
    return [limits]
  })
}
