import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { runReadme, scratchFolder } from './support/index.ts'

void t.test('the program of the README writes files below its root only', async (t) => {
  const root = scratchFolder(t)
  const run = await runReadme(t, 'host', { "mkdtempSync('/tmp/scratch-')": `'${root}'` })
  t.match(run, { code: 0, output: /changed: true/ }, run.output)
  t.match(run.output, /live: false/)
  t.equal(readFileSync(join(root, 'etc/greeting'), 'utf8'), 'Hello\n')
  t.equal(readFileSync(join(root, 'etc/b'), 'utf8'), 'b\n')
  t.ok(root.startsWith(tmpdir()))
})
