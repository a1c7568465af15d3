import { parseLimit, parseNestedKeyed } from '../formats.ts'
import { valueAt } from './check.ts'
import type { DeviceLimits, Limits } from './limits.ts'
import { deviceRows, hugetlbRow, miscRow, plainRows, rawRow, type LimitRow } from './table.ts'

/** Reads one file of a group. Returns undefined when it does not exist. */
export type ReadFile = (file: string) => string | undefined

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/**
 * Parses the limits of a group from the kernel's files, in the shape of a spec. A key is absent when its file does not exist or has
 * another form, so the limit is unknown.
 *
 * @param like reads only the files of these limits, and also its `hugetlb`, `misc` and `raw` files, which are not read otherwise.
 */
export function parseLimits(read: ReadFile, like?: Limits): Limits {
  const limits: Record<string, Record<string, unknown>> = {}
  const put = ({ path: [controller = '', key = ''], parse }: LimitRow, text: string | undefined) => {
    const value = text === undefined ? undefined : parse(text)
    if (value !== undefined) (limits[controller] ??= {})[key] = value
  }
  for (const row of plainRows) {
    if (like === undefined || valueAt(like, row.path) !== undefined) put(row, read(row.file))
  }
  if (like === undefined || like.io?.max !== undefined) {
    const text = read('io.max')
    if (text !== undefined) (limits['io'] ??= {})['max'] = parseDevices(text)
  }
  for (const row of Object.keys(like?.hugetlb ?? {}).map(hugetlbRow)) put(row, read(row.file))
  const misc = like?.misc === undefined ? undefined : read('misc.max')
  for (const resource of Object.keys(like?.misc ?? {})) {
    const line = misc?.split('\n').find((one) => one.startsWith(`${resource} `))
    put(miscRow(resource), line?.slice(resource.length))
  }
  for (const row of Object.keys(like?.raw ?? {}).map(rawRow)) put(row, read(row.file))
  return limits
}

/** Parses lines such as `254:0 rbps=10000000 wbps=max riops=max wiops=max`. */
function parseDevices(text: string): readonly DeviceLimits[] {
  return [...parseNestedKeyed(text)].flatMap(([device, values]) => {
    if (!/^\d+:\d+$/.test(device)) return []
    const limits: Mutable<DeviceLimits> = { device }
    for (const { path } of deviceRows) {
      const limit = parseLimit(values.get(path[2]) ?? '')
      if (limit !== undefined) limits[path[2]] = limit
    }
    return [limits]
  })
}
