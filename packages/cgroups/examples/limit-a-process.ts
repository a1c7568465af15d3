// Limits a process to a tenth of a core, 64 MiB and 20 tasks, shows what it used, and ends it. Needs root and cgroup v2.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCgroups, readUsage } from '@puppy/cgroups'
import { createHost } from '@puppy/host'

const host = createHost()
const cgroups = openCgroups(host)
const limits = { cpu: { max: 0.1 }, memory: { max: 64 * 1024 ** 2 }, pids: { max: 20 } }
await cgroups.create('puppy-demo', limits)
const busy = spawn('/bin/sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' })
await cgroups.add('puppy-demo', busy.pid ?? 0)
await sleep(3000)
console.log((await readUsage(host, ['puppy-demo'])).get('puppy-demo')?.cpu)
await cgroups.remove('puppy-demo', { kill: true })
