import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { copyContext, createHost, hasSelinux, readContexts, readPolicyContexts, setContext } from '../../src/index.ts'

t.setTimeout(120_000)

const host = createHost()
const skip =
  process.getuid?.() !== 0
    ? 'it needs root'
    : (await hasSelinux(host)) && host.program('chcon') !== undefined
      ? false
      : 'SELinux is not on here'

void t.test('setContext(), copyContext() and readContexts() do not follow links', { skip }, async (t) => {
  const folder = mkdtempSync('/etc/puppy-live-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [one, other, link] = [`${folder}/-R one\n`, `${folder}/other`, `${folder}/link`]
  for (const path of [one, other]) writeFileSync(path, 'text')
  symlinkSync('other', link)
  await setContext(host, 'system_u:object_r:net_conf_t:s0', [one, link])
  const read = await readContexts(host, [one, other, link, `${folder}/none`])
  t.strictSame([...read.keys()], [one, other, link])
  t.equal(read.get(one), 'system_u:object_r:net_conf_t:s0')
  t.match(read.get(other), /:etc_t:s0$/, 'the target of the link is not changed')
  t.match(read.get(link), /:net_conf_t:s0$/)
  await copyContext(host, one, [other])
  t.equal((await readContexts(host, [other])).get(other), 'system_u:object_r:net_conf_t:s0')
  await t.rejects(setContext(host, 'system_u:object_r:no_such_type_t:s0', [one]), { code: 'HOST_PROGRAM_FAILED' })
})

const withPolicy = skip === false && host.program('matchpathcon') === undefined ? 'matchpathcon is not installed' : skip

void t.test('readPolicyContexts() reads contexts from the policy', { skip: withPolicy }, async (t) => {
  const [passwd, none] = await readPolicyContexts(host, ['/etc/passwd', '/proc/1'])
  t.match(passwd, /^system_u:object_r:\w+_t:s0$/)
  t.equal(none, undefined, 'a policy has no contexts for files of /proc')
})
