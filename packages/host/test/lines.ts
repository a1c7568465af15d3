import { appendFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createHost } from '../src/index.ts'

void t.test('readLines() follows a file that grows, is renamed, and is truncated', async (t) => {
  const root = t.testdir({ log: 'a\nb\n' })
  const host = createHost({ root })
  const start = await host.readLines('/log')
  t.matchOnlyStrict(start, { lines: ['a', 'b'], place: { file: String, offset: 4 }, restarted: false })
  await appendFile(join(root, 'log'), 'c')
  t.strictSame(
    await host.readLines('/log', start?.place),
    { lines: [], place: start?.place, restarted: false },
    'half a line',
  )
  await appendFile(join(root, 'log'), 'd\n\n')
  const grown = await host.readLines('/log', start?.place)
  t.strictSame(grown, { lines: ['cd', ''], place: { ...start?.place, offset: 8 }, restarted: false })

  await appendFile(join(root, 'log'), 'last\n')
  await rename(join(root, 'log'), join(root, 'log.1'))
  await writeFile(join(root, 'log'), 'new\n')
  t.strictSame(
    await host.readLines('/log.1', grown?.place),
    { lines: ['last'], place: { ...start?.place, offset: 13 }, restarted: false },
    'the old one by its new name',
  )
  const restarted = await host.readLines('/log', grown?.place)
  t.matchOnlyStrict(restarted, { lines: ['new'], place: { file: String, offset: 4 }, restarted: true })
  t.not(restarted?.place.file, start?.place.file)

  await truncate(join(root, 'log'), 0)
  t.strictSame(await host.readLines('/log', restarted?.place), {
    lines: [],
    place: { ...restarted?.place, offset: 0 },
    restarted: true,
  })
})

void t.test('readLines() reads at most one MiB, and refuses a longer line', async (t) => {
  const many = `${'x'.repeat(99)}\n`.repeat(20_000)
  const host = createHost({
    root: t.testdir({ many, long: 'x'.repeat(1024 * 1024 + 1), bytes: Buffer.from([0xff, 10]) }),
  })
  let [lines, looks] = [0, 0]
  for (let read = await host.readLines('/many'); read!.lines.length > 0; looks += 1) {
    lines += read!.lines.length
    read = await host.readLines('/many', read!.place)
  }
  t.strictSame([lines, looks], [20_000, 2])
  await t.rejects(host.readLines('/long'), { code: 'HOST_FILE_TOO_LARGE' })
  t.strictSame((await host.readLines('/bytes'))?.lines, ['\ufffd'])
})

void t.test('readEachLine() reads a file of any length, and refuses a long line', async (t) => {
  const host = createHost({ root: t.testdir({ empty: '', long: 'x'.repeat(1024 * 1024 + 70_000) }) })
  // Lines of all lengths, so that pieces end inside of lines and inside of characters.
  const lines = Array.from({ length: 3000 }, (_, n) => 'ä'.repeat(n % 97))
  await host.replace('/many', `${lines.join('\n')}\n`)
  const visited: string[] = []
  t.ok(await host.readEachLine('/many', (line) => visited.push(line) > 0))
  t.strictSame(visited, lines)
  t.ok(await host.readEachLine('/empty', () => t.fail('the file has no line')))
  await t.rejects(
    host.readEachLine('/long', () => true),
    { code: 'HOST_FILE_TOO_LARGE' },
  )
})
