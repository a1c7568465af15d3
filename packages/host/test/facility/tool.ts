import t from 'tap'
import { createFakeHost } from '../../src/fake/index.ts'
import { debianPackageOf, findTool, installStep, missingTool, requireTool } from '../../src/index.ts'

const host = createFakeHost({
  programs: {
    '/usr/sbin/nft': () => ({}),
    '/usr/bin/systemd-sysusers.standalone': () => ({}),
    '/usr/bin/systemd-tmpfiles.standalone': () => ({}),
    '/usr/bin/systemd-tmpfiles': () => ({}),
  },
})

void t.test('findTool() finds a program, also by its standalone name', async (t) => {
  t.equal(findTool(host, 'nft'), '/usr/sbin/nft')
  t.equal(findTool(host, 'systemd-sysusers'), '/usr/bin/systemd-sysusers.standalone')
  t.equal(findTool(host, 'systemd-tmpfiles'), '/usr/bin/systemd-tmpfiles', 'the plain name comes first')
  t.equal(findTool(host, 'setquota'), undefined)
})

void t.test('requireTool() throws the error that its caller creates from the facts', async (t) => {
  const fail = () => t.fail('it is there') as never
  t.equal(requireTool(host, 'nft', fail), '/usr/sbin/nft')
  let given: unknown
  const error = new Error('missing')
  t.throws(() => requireTool(host, 'setquota', (facts) => ((given = facts), error)), error)
  t.strictSame(given, {
    operation: 'find the program',
    target: 'setquota',
    detail: 'it is not installed',
    steps: ['apt-get install quota'],
  })
  t.strictSame(given, missingTool('setquota'))
})

void t.test('debianPackageOf() returns the Debian package of a tool', async (t) => {
  t.equal(debianPackageOf('restorecon'), 'policycoreutils')
  t.equal(installStep('systemd-sysusers'), 'apt-get install systemd-standalone-sysusers')
})
