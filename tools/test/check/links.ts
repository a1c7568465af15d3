import t from 'tap'
import { checkLinks } from '../../check/links.ts'

void t.test('checkLinks() finds a relative link that leads nowhere', async (t) => {
  const pages = new Map([
    ['README.md', '[a](docs/a.md) [b](docs/b.md#x) [web](https://example.com) [here](#here)'],
    ['docs/a.md', '[up](../README.md) [gone](gone.md)'],
  ])
  const files = new Set(['README.md', 'docs/a.md'])
  t.strictSame(
    checkLinks(pages, (path) => files.has(path)),
    ['README.md links to docs/b.md#x, which does not exist', 'docs/a.md links to gone.md, which does not exist'],
  )
  t.strictSame(
    checkLinks(new Map([['docs/a.md', '[up](../README.md)']]), (path) => files.has(path)),
    [],
  )
})
