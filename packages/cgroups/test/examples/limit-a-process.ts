import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { createHost } from '@puppy/host'
import { probe } from '../../src/index.ts'

const host = createHost()
const { works, error } = await probe(host)
const skip = process.getuid?.() !== 0 ? 'it needs root' : works ? false : (error?.message ?? true)

void t.test('the example limits a process and leaves nothing behind', { skip }, async (t) => {
  const script = fileURLToPath(new URL('../../examples/limit-a-process.ts', import.meta.url))
  const { stdout } = await host.run([execPath, '--no-warnings', script], { touches: 'machine' })
  t.match(stdout, /nrThrottled: [1-9]/)
  t.equal(await host.status('/sys/fs/cgroup/puppy-demo'), undefined)
})
