import { limitTable, type LimitName, type Limits } from '@puppy/cgroups/limits'
import type { Static, TNumber, TObject, TOptional } from 'typebox'
import { Type } from './schema.ts'

const atLeastOne = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER }
const strict = { additionalProperties: false }

/** The limits of processes that a plan can have, by controller. To add a limit, add its key here. */
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

/** The controllers whose limits a plan can have, named as in cgroups(7). */
const controllers = Object.keys(limits) as Controller[]

/** The names of the limits of processes that a plan can have: `memory.max`. */
export const planLimits: readonly LimitName[] = controllers.flatMap((controller) =>
  limits[controller].map((key) => `${controller}.${key}` as LimitName),
)

/** Makes the schema of a controller's limits from the table that also checks and renders them. */
function limitsSchema<Of extends Controller>(controller: Of): TOptional<TObject<Schemas<Of>>> {
  const keys: readonly string[] = limits[controller]
  const schemas = keys.map((key) => {
    const { file, schema, unit } = limitTable[`${controller}.${key}` as LimitName]
    const description = `Sets ${file} of cgroups(7)${unit === undefined ? '' : `, in ${unit}`}.`
    return [key, Type.Optional(Type.Unsafe<number>({ ...schema, description }))]
  })
  const options = { ...strict, description: `Limits of the ${controller} controller. An absent limit is not set.` }
  return Type.Optional(Type.Object(Object.fromEntries(schemas), options)) as TOptional<TObject<Schemas<Of>>>
}

/** The schema of a named set of limits. A limit that is absent is not set. The names are those of cgroups(7) and quota(1). */
export const PlanSpec = Type.Object(
  {
    class: Type.Unsafe<'production' | 'development'>({
      type: 'string',
      enum: ['production', 'development'],
      description: 'The class of the plan. A `development` plan may be overbooked.',
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
              description: 'The hard limit of the user quota, in bytes, rounded up to blocks of the file system.',
            }),
          ),
          inodes: Type.Optional(Type.Integer({ ...atLeastOne, description: 'The hard limit of files and folders.' })),
        },
        { ...strict, description: 'Limits of disk space and files. An absent limit is not set.' },
      ),
    ),
    ports: Type.Integer({
      minimum: 1,
      maximum: 8,
      description: 'The number of ports of the slot to which domains may be routed.',
    }),
    egress: Type.Optional(
      Type.Unsafe<'default' | 'open' | 'client' | 'local'>({
        type: 'string',
        enum: ['default', 'open', 'client', 'local'],
        description:
          'The destinations outside the host that an account may reach. `default`: everything except port 25. ' +
          '`open`: everything. `client`: only web, SSH and DNS. `local`: nothing. Every policy refuses cloud metadata.',
      }),
    ),
    domains: Type.Integer({ minimum: 0, maximum: 10_000, description: 'The maximum number of domains of an account.' }),
  },
  { ...strict, $id: 'PlanSpec', description: 'The limits of a plan.' },
)
export type PlanSpec = Static<typeof PlanSpec>

/** Returns a plan's limits of processes. A limit that the plan does not have stays at systemd's default. Pure. */
export function limitsOf(spec: Pick<PlanSpec, Controller>): Pick<Limits, Controller> {
  return Object.fromEntries(
    controllers.flatMap((controller) => {
      const one = spec[controller]
      return one === undefined ? [] : [[controller, one]]
    }),
  )
}
