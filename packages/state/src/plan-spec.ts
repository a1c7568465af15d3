import { limitTable, type LimitName, type Limits } from '@puppy/cgroups/limits'
import type { Static, TNumber, TObject, TOptional } from 'typebox'
import { Type } from './schema.ts'

const atLeastOne = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER }
const strict = { additionalProperties: false }

/** The limits of processes that a plan can have, by controller. A new one needs its key here and nothing else. */
const limits = {
  cpu: ['max', 'weight'],
  memory: ['high', 'max', 'swapMax'],
  pids: ['max'],
  io: ['weight'],
} as const satisfies { readonly [Controller in keyof Limits]: readonly KeysOf<Controller>[] }

type KeysOf<Controller extends keyof Limits> = LimitName extends infer Name
  ? Name extends `${Controller}.${infer Key}`
    ? Key
    : never
  : never
type Controller = keyof typeof limits
type Schemas<Of extends Controller> = { readonly [Key in (typeof limits)[Of][number]]: TOptional<TNumber> }

/** The controllers whose limits a plan can have, as they are called in a plan and in cgroups(7). */
const controllers = Object.keys(limits) as Controller[]

/** The names of the limits of processes that a plan can have: `memory.max`. */
export const planLimits: readonly LimitName[] = controllers.flatMap((controller) =>
  limits[controller].map((key) => `${controller}.${key}` as LimitName),
)

/** Makes the schema of a controller's limits from the table that the limits are checked and rendered by. */
function limitsSchema<Of extends Controller>(controller: Of): TOptional<TObject<Schemas<Of>>> {
  const keys: readonly string[] = limits[controller]
  const schemas = keys.map((key) => {
    const { file, schema, unit } = limitTable[`${controller}.${key}` as LimitName]
    const description = unit === undefined ? file : `${file}, in ${unit}`
    return [key, Type.Optional(Type.Unsafe<number>({ ...schema, description }))]
  })
  return Type.Optional(Type.Object(Object.fromEntries(schemas), strict)) as TOptional<TObject<Schemas<Of>>>
}

/** A named set of limits. A limit that is absent is not set. Words are the kernel's (cgroups(7), quota(1)). */
export const PlanSpec = Type.Object(
  {
    class: Type.Unsafe<'production' | 'development'>({
      type: 'string',
      enum: ['production', 'development'],
      description: 'Development may be overbooked.',
    }),
    cpu: limitsSchema('cpu'),
    memory: limitsSchema('memory'),
    pids: limitsSchema('pids'),
    io: limitsSchema('io'),
    disk: Type.Optional(
      Type.Object(
        {
          bytes: Type.Optional(
            Type.Integer({
              ...atLeastOne,
              description: 'hard limit of the user quota, in bytes; rounded up to blocks of the file system',
            }),
          ),
          inodes: Type.Optional(Type.Integer({ ...atLeastOne, description: 'hard limit of files and folders' })),
        },
        strict,
      ),
    ),
    ports: Type.Integer({ minimum: 1, maximum: 8, description: 'How many ports of the slot domains may point to.' }),
    egress: Type.Optional(
      Type.Unsafe<'default' | 'open' | 'client' | 'local'>({
        type: 'string',
        enum: ['default', 'open', 'client', 'local'],
        description:
          'What a tenant may reach: everything but port 25 (default), everything (open), only web, ssh and DNS (client), or nothing beyond the machine (local). Cloud metadata is refused in all.',
      }),
    ),
    domains: Type.Integer({ minimum: 0, maximum: 10_000, description: 'How many domains an account may have.' }),
  },
  { ...strict, $id: 'PlanSpec', description: 'Limits and allowances of a plan.' },
)
export type PlanSpec = Static<typeof PlanSpec>

/** Returns a plan's limits of processes. A limit that it does not have stays systemd's default. Pure. */
export function limitsOf(spec: Pick<PlanSpec, Controller>): Pick<Limits, Controller> {
  return Object.fromEntries(
    controllers.flatMap((controller) => {
      const one = spec[controller]
      return one === undefined ? [] : [[controller, one]]
    }),
  )
}
