import { parseLimit, parseNumbers, renderNumbers } from '../formats.ts'

/** The value of one limit: a number, a boolean, or a text such as `max`. */
export type LimitValue = number | boolean | string

/** The valid values of a limit, in the terms of JSON Schema. Does not include `'max'`. See `orMax`. */
export type LimitSchema =
  | { readonly type: 'integer'; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'number'; readonly exclusiveMinimum: number; readonly maximum: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'string' }

/** The properties that all limits of one kind share. */
export interface LimitKind {
  readonly schema: LimitSchema
  /** Whether `'max'` removes a limit of this kind. */
  readonly orMax: boolean
  /** Rounds a valid value as systemd and the kernel do. */
  readonly round: (value: LimitValue) => LimitValue
  /** Parses the text of the kernel's file. Returns undefined for a text of another form. */
  readonly parse: (text: string) => LimitValue | undefined
  /** Renders the text to write to the kernel's file. */
  readonly render: (value: LimitValue) => string
  /** Parses the value of the systemd property. Returns undefined for a text of another form. */
  readonly parseProperty: (text: string) => LimitValue | undefined
  /** Renders the value of the systemd property. */
  readonly renderProperty: (value: LimitValue) => string
}

/** The name of a kind of limits. */
export type LimitKindName =
  | 'bytes'
  | 'cores'
  | 'count'
  | 'flag'
  | 'microseconds'
  | 'numbers'
  | 'quantity'
  | 'text'
  | 'weight'

const same = (value: LimitValue): LimitValue => value
const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER): LimitSchema => ({
  type: 'integer',
  minimum,
  maximum,
})

/** A number. No limit is `max` in the kernel's file and `infinity` in the systemd property. */
const numeric = (schema: LimitSchema, orMax = true): LimitKind => ({
  schema,
  orMax,
  round: same,
  parse: (text) => parseLimit(text),
  render: String,
  parseProperty: (text) => (text === 'infinity' ? 'max' : parseLimit(text)),
  renderProperty: (value) => (value === 'max' ? 'infinity' : String(value)),
})

const textual = (parse: (text: string) => string | undefined): LimitKind => ({
  schema: { type: 'string' },
  orMax: false,
  round: (value) => parse(String(value)) ?? value,
  parse,
  render: String,
  parseProperty: parse,
  renderProperty: String,
})

/** The period of `cpu.max`, in microseconds. It is the default of the kernel and of systemd. */
const period = 100_000

/** Parses `50000 100000` (microseconds of processor time, microseconds of the period) or `max 100000`. */
function parseCores(text: string): LimitValue | undefined {
  const [, quota = '', each = ''] = /^(max|\d{1,15}) (\d{1,9})$/.exec(text.trim()) ?? []
  if (quota === 'max') return 'max'
  return quota === '' || Number(each) === 0 ? undefined : Number(quota) / Number(each)
}

/** Parses `50%`, percent of one processor. `CPUQuota` is the only property without `infinity`. Its empty value removes the limit. */
function parseQuota(text: string): LimitValue | undefined {
  if (text === '') return 'max'
  return /^\d{1,7}%$/.test(text) ? Number(text.slice(0, -1)) / 100 : undefined
}

/** Parses `100` of `cpu.weight` or `default 100` of `io.weight`. An idle group has 0 in the file, which is not a weight. */
function parseWeight(text: string): LimitValue | undefined {
  const weight = /(?:^|\n)(?:default )?(\d{1,5})(?:\n|$)/.exec(text.trim())?.[1]
  return weight === undefined || weight === '0' ? undefined : Number(weight)
}

function parseFlag(text: string): LimitValue | undefined {
  const word = text.trim()
  return word === '1' ? true : word === '0' ? false : undefined
}

function parseList(text: string): string | undefined {
  const numbers = parseNumbers(text)
  return numbers === undefined ? undefined : renderNumbers(numbers)
}

/** The kinds of limits. */
export const kinds: Readonly<Record<LimitKindName, LimitKind>> = {
  /** The kernel rounds down to whole pages. */
  bytes: numeric(integer(0)),
  /** systemd counts in percent of a processor and rounds up. The kernel refuses less than 1 ms in a period of 100 ms. */
  cores: {
    schema: { type: 'number', exclusiveMinimum: 0, maximum: 10_000 },
    orMax: true,
    round: (value) => (value === 'max' ? value : Math.ceil(Number((Number(value) * 100).toFixed(6))) / 100),
    parse: parseCores,
    render: (value) => `${value === 'max' ? 'max' : Math.round(Number(value) * period)} ${period}`,
    parseProperty: parseQuota,
    renderProperty: (value) => (value === 'max' ? '' : `${Math.round(Number(value) * 100)}%`),
  },
  /** The kernel refuses 0, because the group could then do nothing. */
  count: numeric(integer(1)),
  flag: {
    schema: { type: 'boolean' },
    orMax: false,
    round: same,
    parse: parseFlag,
    render: (value) => (value === true ? '1' : '0'),
    parseProperty: (text) => text === 'idle',
    renderProperty: (value) => (value === true ? 'idle' : ''),
  },
  microseconds: numeric(integer(0), false),
  numbers: textual(parseList),
  quantity: numeric(integer(0)),
  text: textual((text) => text.trim()),
  weight: { ...numeric(integer(1, 10_000), false), parse: parseWeight, parseProperty: parseWeight },
}

/** Returns why a value is not a valid limit of this kind, or undefined when it is valid. Pure. */
export function faultOfValue(
  { schema, orMax, parse }: Pick<LimitKind, 'schema' | 'orMax' | 'parse'>,
  value: unknown,
): string | undefined {
  if (orMax && value === 'max') return undefined
  const more = orMax ? ', or max' : ''
  switch (schema.type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'string':
      return typeof value === 'string' && (parse(value) ?? '') !== '' ? undefined : 'must be a list such as 0-2,5'
    case 'number': {
      const { exclusiveMinimum, maximum } = schema
      if (typeof value === 'number' && value > exclusiveMinimum && value <= maximum) return undefined
      return `must be a number above ${exclusiveMinimum} and at most ${maximum}${more}`
    }
    case 'integer': {
      const { minimum, maximum } = schema
      if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum) return undefined
      return `must be a whole number from ${minimum} to ${maximum}${more}`
    }
  }
}
