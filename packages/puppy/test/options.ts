import t from 'tap'
import { parseOptions } from '../src/options.ts'

void t.test('parseOptions() returns the values, and refuses an unknown option and one without its value', async (t) => {
  const options = { free: { type: 'string' }, follow: { type: 'boolean' } } as const
  t.strictSame({ ...parseOptions(['--free', '3', '--follow'], options) }, { free: '3', follow: true })
  t.strictSame({ ...parseOptions([], options) }, {})
  for (const args of [['--fre', '3'], ['--free'], ['3']])
    t.throws(() => parseOptions(args, options), { name: 'StartError' }, args.join(' '))
})
