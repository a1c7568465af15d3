import t from 'tap'
import { checkLinks } from '../../check/links.ts'

void t.test('checkLinks() finds a relative link to a file that does not exist', async (t) => {
  const pages = new Map([
    ['README.md', '[a](docs/a.md) [b](docs/b.md#x) [web](https://example.com) [here](#here)'],
    ['docs/a.md', '[up](../README.md) [missing](missing.md)'],
  ])
  const files = new Set(['README.md', 'docs/a.md'])
  t.strictSame(
    checkLinks(pages, (path) => files.has(path)),
    ['README.md links to docs/b.md#x, which does not exist', 'docs/a.md links to missing.md, which does not exist'],
  )
  t.strictSame(
    checkLinks(new Map([['docs/a.md', '[up](../README.md)']]), (path) => files.has(path)),
    [],
  )
})
