const least = { class: 'production', ports: 1, domains: 0 }
/** A plan with every limit. A test checks that none is missing. */
export const fullPlan = {
  class: 'development',
  cpu: { max: 0.5, weight: 100 },
  memory: { high: 402_653_184, max: 536_870_912, swapMax: 0 },
  pids: { max: 128 },
  io: { weight: 100 },
  disk: { bytes: 1_073_741_824, inodes: 100_000 },
  ports: 8,
  domains: 10_000,
}

/** Valid plans, named by what is special about them. */
export const acceptedPlans: readonly (readonly [title: string, spec: unknown])[] = [
  ['the minimum', least],
  ['every limit', fullPlan],
  ['groups of limits without a limit', { ...least, cpu: {}, memory: {}, pids: {}, io: {}, disk: {} }],
  ['a hundredth of a processor', { ...least, cpu: { max: 0.01 } }],
  ['10,000 processors', { ...least, cpu: { max: 10_000 } }],
  ['the lowest and the highest weight', { ...least, cpu: { weight: 1 }, io: { weight: 10_000 } }],
  ['the highest number of pids of the kernel', { ...least, pids: { max: 4_194_304 } }],
  ['as many bytes as a number holds exactly', { ...least, memory: { max: Number.MAX_SAFE_INTEGER } }],
  ['zero memory, as the kernel does', { ...least, memory: { max: 0 } }],
]

/** Invalid plans, with the pointers of their faults. */
export const refusedPlans: readonly (readonly [title: string, spec: unknown, pointers: readonly string[]])[] = [
  ['nothing', {}, ['/class', '/ports', '/domains']],
  ['a list', [], ['']],
  ['null', null, ['']],
  ['an unknown class', { ...least, class: 'staging' }, ['/class']],
  ['an unknown field', { ...least, colour: 'red' }, ['/colour']],
  ['an unknown limit', { ...least, memory: { min: 1 } }, ['/memory/min']],
  ['a number as text', { ...least, ports: '3' }, ['/ports']],
  ['null for a group of limits', { ...least, cpu: null }, ['/cpu']],
  ['null for a limit', { ...least, memory: { max: null } }, ['/memory/max']],
  ['the word max', { ...least, memory: { max: 'max' } }, ['/memory/max']],
  ['zero ports', { ...least, ports: 0 }, ['/ports']],
  ['more ports than a slot has', { ...least, ports: 9 }, ['/ports']],
  ['a fraction of a port', { ...least, ports: 1.5 }, ['/ports']],
  ['a negative number of domains', { ...least, domains: -1 }, ['/domains']],
  ['too many domains', { ...least, domains: 10_001 }, ['/domains']],
  ['zero processors', { ...least, cpu: { max: 0 } }, ['/cpu/max']],
  ['too many processors', { ...least, cpu: { max: 10_001 } }, ['/cpu/max']],
  ['a weight of 0', { ...least, cpu: { weight: 0 } }, ['/cpu/weight']],
  ['a weight beyond 10,000', { ...least, io: { weight: 10_001 } }, ['/io/weight']],
  [
    'a negative number of bytes',
    { ...least, memory: { high: -1, max: -1, swapMax: -1 } },
    ['/memory/high', '/memory/max', '/memory/swapMax'],
  ],
  ['a fraction of a byte', { ...least, disk: { bytes: 1.5 } }, ['/disk/bytes']],
  ['zero bytes, which the kernel takes as no limit', { ...least, disk: { bytes: 0 } }, ['/disk/bytes']],
  ['zero inodes, which the kernel takes as no limit', { ...least, disk: { inodes: 0 } }, ['/disk/inodes']],
  ['bytes that a number does not hold exactly', { ...least, disk: { bytes: 2 ** 53 } }, ['/disk/bytes']],
  ['a negative number of inodes', { ...least, disk: { inodes: -1 } }, ['/disk/inodes']],
  ['zero processes', { ...least, pids: { max: 0 } }, ['/pids/max']],
  ['more pids than the kernel allows', { ...least, pids: { max: 4_194_305 } }, ['/pids/max']],
]
