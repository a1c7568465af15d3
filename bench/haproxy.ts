import { writeFileSync } from 'node:fs'
import { createHost } from '../packages/host/src/index.ts'
import { scratchFolder } from '../packages/host/test/support/index.ts'
import { renderConfig } from '../packages/haproxy/src/config/render.ts'
import { requestBodyScript } from '../packages/haproxy/src/config/script.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const rounds = 20
const machine = createHost()
const program = machine.program('haproxy')

/** Measures how long HAProxy takes to check a configuration. Every change of the configuration and every reload costs that. */
export const haproxy: Bench = {
  claims: ['haproxy.check'],
  cannotRun: () => (program === undefined ? 'haproxy is not installed' : undefined),
  run: async () => [await measureCheck()],
}

async function measureCheck(): Promise<Claim> {
  const endings: (() => unknown)[] = []
  const folder = scratchFolder({ teardown: (work) => void endings.push(work) })
  try {
    const settings = { folder, runFolder: folder, firstPort: 10_240, portsPerSlot: 8, slots: 2816 }
    const text = renderConfig({ ...settings, listen: ['127.0.0.1:18480'], connectionsPerTenant: 50 })
    writeFileSync(`${folder}/request-body.lua`, requestBodyScript)
    for (const map of ['hosts', 'suspended']) writeFileSync(`${folder}/${map}.map`, '')
    writeFileSync(`${folder}/ours.cfg`, text)
    writeFileSync(`${folder}/today.cfg`, text.replace('httpclient.ssl.verify none', ''))
    const run = (...args: readonly string[]) => machine.run([program ?? '', ...args], { touches: 'nothing' })
    const times = { ours: [] as number[], floor: [] as number[], today: [] as number[] }
    for (let round = 0; round < rounds; round += 1) {
      times.ours.push(await time(() => run('-c', '-f', `${folder}/ours.cfg`)))
      times.floor.push(await time(() => run('-v')))
      times.today.push(await time(() => run('-c', '-f', `${folder}/today.cfg`)))
    }
    return claimOf(
      'haproxy.check',
      { ours: median(times.ours), floor: median(times.floor), today: median(times.today) },
      {
        floorIs: 'haproxy -v, which starts the program and reads no file',
        todayIs: 'the same configuration with the default of httpclient.ssl, which reads every certificate authority',
      },
    )
  } finally {
    for (const end of endings.toReversed()) await end()
  }
}
