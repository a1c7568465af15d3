import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createHost, mapLimit } from '../packages/host/src/index.ts'
import { listPids, readProcesses } from '../packages/host/src/proc/index.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const rounds = 20
const readings = 1000

/** Measures how long it takes to read the status of a thousand processes. The agent does that several times a minute. */
export const host: Bench = {
  claims: ['host.processes.1000'],
  cannotRun: () => undefined,
  run: async () => [await measureProcesses()],
}

async function measureProcesses(): Promise<Claim> {
  const machine = createHost()
  const pids = await listPids(machine)
  // Few machines have a thousand processes, so the ones that run are read again and again.
  const turns = Math.ceil(readings / pids.length)
  const again = async (work: () => Promise<unknown>) => {
    for (let turn = 0; turn < turns; turn += 1) await work()
  }
  const perThousand = (milliseconds: number) => (milliseconds * readings) / (turns * pids.length)
  const times = { ours: [] as number[], floor: [] as number[], today: [] as number[] }
  const path = (pid: number) => `/proc/${pid}/status`
  for (let round = 0; round < rounds; round += 1) {
    times.ours.push(perThousand(await time(() => again(() => readProcesses(machine)))))
    times.floor.push(perThousand(await time(() => again(async () => pids.forEach((pid) => readNow(path(pid)))))))
    const promised = (pid: number) => readFile(path(pid), 'utf8').catch(() => undefined)
    times.today.push(perThousand(await time(() => again(() => mapLimit(pids, 32, promised)))))
  }
  return claimOf(
    'host.processes.1000',
    { ours: median(times.ours), floor: median(times.floor), today: median(times.today) },
    {
      floorIs: 'readFileSync of /proc/PID/status, without parsing',
      todayIs: 'readFile of node:fs/promises, 32 at a time, without parsing',
    },
  )
}

function readNow(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process has ended.
    return undefined
  }
}
