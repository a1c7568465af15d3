import { fullPlan, sshKey } from '@puppy/state/testing'

/** A value as SQL. Sizes are made by the server. */
export type Hostile = readonly [title: string, sql: string]

const json = (value: string): string => `'${value.replaceAll("'", "''")}'::jsonb`

const texts: readonly Hostile[] = [
  ['null', 'null'],
  ['empty', `''`],
  ['300 characters', `repeat('a', 300)`],
  ['a label of 64 characters', `repeat('a', 64) || '.example.com'`],
  ['200,000 characters, which compress', `repeat('a', 200000)`],
  ['20 MB, which compress', `repeat('a', 20000000)`],
  ['a line break', `E'a\\nb.example.com'`],
  ['a carriage return at the end', `E'a.example.com\\r'`],
  ['a line separator', `'a' || chr(8232) || 'b.example.com'`],
  ['a tab', `E'a\\tb.example.com'`],
  ['a blank', `'a b.example.com'`],
  ['a NUL', `'a' || chr(0)`],
  ['a lone surrogate', `U&'\\D800'`],
  ['a character that is not assigned', `chr(65535) || '.example.com'`],
  ['an escape sequence', `E'\\x1b[2J.example.com'`],
  ['text from right to left', `chr(8238) || 'a.example.com'`],
  ['upper case', `'A.EXAMPLE.COM'`],
  ['another script', `'ünï.example.com'`],
  ['a name of the prototype', `'__proto__'`],
  ['another name of the prototype', `'constructor'`],
  ['a wildcard', `'*.example.com'`],
  ['a comment', `'#.example.com'`],
  ['a path', `'../../etc/passwd'`],
  ['a command', `'$(id).example.com'`],
  ['a quote', `'a''b".example.com'`],
  ['a backslash', `'a\\b.example.com'`],
  ['an address', `'127.0.0.1'`],
  ['one label', `'localhost'`],
  ['a trailing dot', `'a.example.com.'`],
  ['a leading hyphen', `'-a.example.com'`],
  ['the word null', `'null'`],
  ['an option', `'--help'`],
]

const wholeNumbers = (largest: string, smallest: string): readonly Hostile[] => [
  ['null', 'null'],
  ['0', '0'],
  ['1', '1'],
  ['-1', '-1'],
  ['a port below the first', '22'],
  ['the largest port', '65535'],
  ['a large number', '1000000'],
  ['the largest', largest],
  ['one below the largest', `${largest} - 1`],
  ['the smallest', smallest],
]

const bigints: readonly Hostile[] = [
  ...wholeNumbers('9223372036854775807', '-9223372036854775808'),
  ['2^53 - 2', '9007199254740990'],
  ['2^53 - 1', '9007199254740991'],
  ['2^53', '9007199254740992'],
  ['2^53 + 1', '9007199254740993'],
  ['-2^53', '-9007199254740992'],
  ['the id of a good account', `(select min(id) from accounts where name like 'good%')`],
]

const integers: readonly Hostile[] = [
  ...wholeNumbers('2147483647', '(-2147483648)'),
  ['the slot of a good account', `(select min(slot) from accounts where name like 'good%')`],
  ['a free slot', `(select min(n) from slots where state = 'free')`],
  ['a dirty slot', `(select min(n) from slots where state = 'dirty')`],
  ['a blocked slot', `(select min(n) from slots where state = 'blocked')`],
  ['the port of a good account', `(select min(port) from domains where name like 'good%')`],
]

const times: readonly Hostile[] = [
  ['null', 'null'],
  ['infinity', `'infinity'`],
  ['minus infinity', `'-infinity'`],
  ['4713 BC', `'4713-01-01 00:00:00 BC'`],
  ['year 294276', `'294276-12-31 23:59:59'`],
  ['year 10000', `'10000-01-01'`],
  ['year 1', `'0001-01-01'`],
  ['now', 'now()'],
  ['in a century', `now() + interval '100 years'`],
]

const values = [
  'null',
  'true',
  'false',
  '0',
  '-1',
  '1.5',
  '1e-320',
  '1e400',
  '-1e400',
  '9007199254740992',
  '9223372036854775808',
  '""',
  '"1"',
  '"max"',
  '"\\u2028"',
  '[]',
  '[null]',
  '[1]',
  '{}',
  '{"a": 1}',
  '{"__proto__": {"max": 1}}',
]

/** The path of every part of a plan: `{memory}`, `{memory,max}`. A plan's spec with one part replaced is a hostile value too. */
const planPaths = Object.entries({ ...fullPlan, egress: 'open' }).flatMap(([key, value]) => [
  `{${key}}`,
  ...(typeof value === 'object' ? Object.keys(value).map((inner) => `{${key},${inner}}`) : []),
])

const jsons: readonly Hostile[] = [
  ['null of SQL', 'null'],
  ...values.map((text): Hostile => [text, json(text)]),
  ['deep lists', `(repeat('[', 3000) || repeat(']', 3000))::jsonb`],
  ['deep objects', `(repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb`],
  ['a text of 3 MB', `to_jsonb(repeat('x', 3000000))`],
  [
    'a text of 3 MB that does not compress',
    `to_jsonb((select string_agg(md5(n::text), '') from generate_series(1, 94000) n))`,
  ],
  ['20,000 keys', '(select jsonb_object_agg(n::text, n) from generate_series(1, 20000) n)'],
  ['20,000 numbers', '(select jsonb_agg(n) from generate_series(1, 20000) n)'],
  ['a number of 20,000 digits', `('1' || repeat('0', 20000))::jsonb`],
  ['a name of the prototype', json('{"constructor": {"prototype": 1}}')],
  ...planPaths.flatMap((path): Hostile[] => [
    [`a plan without ${path}`, `${json(JSON.stringify(fullPlan))} #- '${path}'`],
    ...values.map((text): Hostile => [
      `a plan with ${text} at ${path}`,
      `jsonb_set(${json(JSON.stringify(fullPlan))}, '${path}', ${json(text)})`,
    ]),
  ]),
  ['a plan with an unknown key', json(JSON.stringify({ ...fullPlan, colour: 'red' }))],
  [
    'a plan with a key of 20,000 characters',
    `${json(JSON.stringify(fullPlan))} || jsonb_build_object(repeat('k', 20000), 1)`,
  ],
  ['a plan with __proto__', `${json(JSON.stringify(fullPlan))} || '{"__proto__": {"ports": 1}}'`],
  [
    'a plan with more memory.high than memory.max',
    `${json(JSON.stringify(fullPlan))} || '{"memory": {"high": 9, "max": 8}}'`,
  ],
]

const key = `'${sshKey}'`
const lists: readonly Hostile[] = [
  ['null', 'null'],
  ['no element', `'{}'`],
  ['a null', 'array[null]::text[]'],
  ['a null behind a key', `array[${key}, null]`],
  ['an empty text', `array['']`],
  ['lists in a list', `array[array[${key}, ${key}], array[${key}, ${key}]]`],
  ['deep lists in a list', `array[[[[[[${key}]]]]]]`],
  ['other bounds', `('[5:5]={"' || ${key} || '"}')::text[]`],
  ['101 keys', `array_fill(${key}::text, array[101])`],
  ['100,000 empty texts', `array_fill(''::text, array[100000])`],
  ['100,000 nulls', 'array_fill(null::text, array[100000])'],
  ['one key of 1.2 MB', `array[repeat('a', 1200000)]`],
  ['1.2 MB in 75 keys with comments', `array(select ${key} || repeat('c', 15900) || n from generate_series(1, 75) n)`],
  ['300 KB in 20 keys with comments', `array(select ${key} || repeat('c', 15900) || n from generate_series(1, 20) n)`],
  ['30 MB, which compress', `array[repeat('a', 30000000)]`],
  ['15,900 blanks', `array['ssh-ed25519' || repeat(' ', 15900) || 'x']`],
  ['a line break', `array[E'ssh-ed25519 AAAA\\n${sshKey}']`],
  ['a NUL', `array['a' || chr(0)]`],
  ['a line separator', `array['a' || chr(8232)]`],
  ['an option before the key', `array['command="id" ' || ${key}]`],
  ['a type of the prototype', `array['__proto__ AAAA']`],
  ['another type of the prototype', `array['constructor AAAA']`],
  ['a private key', `array['-----BEGIN OPENSSH PRIVATE KEY-----']`],
  ['the word null', `'{"null"}'`],
]

const byType: Readonly<Record<string, readonly Hostile[]>> = {
  text: texts,
  bigint: bigints,
  integer: integers,
  jsonb: jsons,
  ARRAY: lists,
  'timestamp with time zone': times,
}

/** Returns the hostile values for a type of `information_schema.columns`. @throws Error for a type that has none. */
export function hostileValues(type: string): readonly Hostile[] {
  const found = byType[type]
  if (found === undefined) throw new Error(`The API may write a column of the type ${type}: add hostile values for it`)
  return found
}
