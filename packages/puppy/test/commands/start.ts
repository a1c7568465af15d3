import t from 'tap'
import { runCommand } from '../support/puppy.ts'

void t.test('start() refuses to run without puppy up, which holds the lock', async (t) => {
  const { code, output } = await runCommand({ PATH: process.env['PATH'] ?? '' }, ['start'])
  t.equal(code, 78)
  t.equal(output, '"start" is a part of "up" and cannot run alone; run "npm start"\n')
})
