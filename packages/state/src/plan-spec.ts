import type { Static } from 'typebox'
import { Type } from './schema.ts'

const bytes = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: `${description}, in bytes` })
const atLeastOne = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER }
const weight = (description: string) => Type.Integer({ minimum: 1, maximum: 10_000, description })
const strict = { additionalProperties: false }

/** A named set of limits. A limit that is absent is not set. Words are the kernel's (cgroups(7), quota(1)). */
export const PlanSpec = Type.Object(
  {
    class: Type.Unsafe<'production' | 'development'>({
      type: 'string',
      enum: ['production', 'development'],
      description: 'Development may be overbooked.',
    }),
    cpu: Type.Optional(
      Type.Object(
        {
          max: Type.Optional(Type.Number({ minimum: 0.01, maximum: 1024, description: 'cpu.max, in processors' })),
          weight: Type.Optional(weight('cpu.weight')),
        },
        strict,
      ),
    ),
    memory: Type.Optional(
      Type.Object(
        {
          high: Type.Optional(bytes('memory.high')),
          max: Type.Optional(bytes('memory.max')),
          swapMax: Type.Optional(bytes('memory.swap.max')),
        },
        strict,
      ),
    ),
    pids: Type.Optional(
      Type.Object(
        { max: Type.Optional(Type.Integer({ minimum: 1, maximum: 4_194_304, description: 'pids.max' })) },
        strict,
      ),
    ),
    io: Type.Optional(Type.Object({ weight: Type.Optional(weight('io.weight')) }, strict)),
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
