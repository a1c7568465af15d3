import { isRoot, runReadme, scratchFolder } from '@puppy/host/testing'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

void t.test(
  'the program of the README builds, releases and removes slots',
  { skip: !isRoot && 'it needs root' },
  async (t) => {
    const root = scratchFolder(t)
    const run = await runReadme(t, 'accounts', { "mkdtempSync('/tmp/scratch-')": `'${root}'` })
    t.match(run, { code: 0, output: /is clean/ }, run.output)
    t.notMatch(readFileSync(join(root, 'etc/passwd'), 'utf8'), /^p1/m)
  },
)
