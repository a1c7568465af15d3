import { runReadme } from '@puppy/host/testing'
import t from 'tap'
import { startPostgres } from './support/index.ts'

void t.test('the program of the README lists the hosts', async (t) => {
  const { urls } = await (await startPostgres(t)).create(t)
  t.match(await runReadme(t, 'state', { 'postgres://puppy@/puppy?host=/run/puppy/postgres': urls.api }), {
    code: 0,
    output: '[]\n',
  })
})
