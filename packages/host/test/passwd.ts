import { readFileSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { createFakeHost, createFakeUnshare, type FakeProgram } from '../src/fake/index.ts'
import { createHost, runWithPasswd } from '../src/index.ts'
import { readProcessFile } from '../src/proc/process.ts'

const others = Object.fromEntries(['find', 'mount', 'timeout'].map((name) => [`/usr/bin/${name}`, () => ({})]))
const look = { touches: 'nothing' } as const

const isPossible =
  spawnSync('/usr/bin/unshare', [
    '--mount',
    '--propagation',
    'private',
    '--',
    '/bin/mount',
    '--bind',
    '/dev/null',
    '/etc/passwd',
  ]).status === 0
const skip = isPossible ? false : 'no mount namespace can be had here'

void t.test('runWithPasswd() replaces /etc/passwd only for its program', { skip }, async (t) => {
  const host = createHost()
  const passwd = `${t.testdir()}/passwd`
  writeFileSync(passwd, 'only:x:1:1::/:/bin/sh\n')
  const own = readFileSync('/etc/passwd', 'utf8')
  const command = ['/bin/cat', '/etc/passwd'] as const
  for (const whenRefused of ['run', 'fail'] as const) {
    const { stdout, exitCode } = await runWithPasswd(host, command, { passwd, whenRefused }, look)
    t.strictSame([stdout, exitCode], ['only:x:1:1::/:/bin/sh\n', 0])
  }
  const none = await runWithPasswd(host, command, { passwd: '/dev/null', whenRefused: 'fail' }, look)
  t.equal(none.stdout, '')
  t.equal(readFileSync('/etc/passwd', 'utf8'), own)
  const words = ['/usr/bin/printf', '[%s]', 'a b', "'", '$x', '\n', '-exec', '(', ')', '!', '\\n', '%p', ''] as const
  const shown = await runWithPasswd(host, words, { passwd, whenRefused: 'fail' }, look)
  t.equal(shown.stdout, words.slice(2).map((word) => `[${word}]`).join('')) // prettier-ignore
  const environment = { ...look, env: { ONE: '1' }, input: 'text' }
  const sh = ['/bin/sh', '-c', 'echo "$ONE $(cat)"'] as const
  t.equal((await runWithPasswd(host, sh, { passwd, whenRefused: 'fail' }, environment)).stdout, '1 text\n')
})

void t.test('runWithPasswd() reports a program that fails, and runs it once', { skip }, async (t) => {
  const host = createHost()
  const folder = t.testdir()
  const command = ['/bin/sh', '-c', `echo out; echo err >&2; echo run >>${folder}/runs; exit 3`, 'sh'] as const
  const options = { passwd: '/dev/null', whenRefused: 'run' } as const
  await t.rejects(runWithPasswd(host, command, options, { ...look, secrets: ['run >>'] }), {
    code: 'HOST_PROGRAM_FAILED',
    message: /^Cannot run sh: exit code 1; the program reported: err; command: .*echo •••/,
  })
  t.strictSame(await runWithPasswd(host, command, options, { ...look, accept: [0, 1] }), {
    exitCode: 1,
    stdout: 'out\n',
    stderr: 'err\n',
  })
  t.equal(readFileSync(`${folder}/runs`, 'utf8'), 'run\nrun\n')
})

void t.test('runWithPasswd() terminates a program after the timeout', { skip }, async (t) => {
  const host = createHost()
  const folder = t.testdir()
  const script = `echo $$ >${folder}/pid; exec sleep 60`
  const options = { passwd: '/dev/null', whenRefused: 'fail' } as const
  const run = runWithPasswd(host, ['/bin/sh', '-c', script], options, { ...look, timeout: 300 })
  await t.rejects(run, { code: 'HOST_TIMEOUT' })
  const pid = readFileSync(`${folder}/pid`, 'utf8').trim()
  while ((await readProcessFile(host, Number(pid), 'stat')) !== undefined)
    await new Promise((wake) => setTimeout(wake, 50))
  t.pass('it has ended')
})

void t.test('runWithPasswd() runs the program as it is, or fails, when the mount is refused', { skip }, async (t) => {
  const host = createHost()
  const passwd = `${t.testdir()}/none`
  const command = ['/bin/cat', '/etc/passwd'] as const
  const { stdout } = await runWithPasswd(host, command, { passwd, whenRefused: 'run' }, look)
  t.equal(stdout, readFileSync('/etc/passwd', 'utf8'))
  await t.rejects(runWithPasswd(host, command, { passwd, whenRefused: 'fail' }, look), {
    code: 'HOST_PROGRAM_FAILED',
    message: /mount:/,
  })
})

void t.test('runWithPasswd() runs the program as it is, or fails, when the namespace is refused', async (t) => {
  const refuse: FakeProgram = () => ({ exitCode: 1, stderr: 'unshare: unshare failed: Operation not permitted\n' })
  const programs = {
    ...others,
    '/usr/bin/unshare': refuse,
    '/usr/sbin/ip': refuse,
    '/usr/sbin/nft': () => ({ stdout: 'x' }),
  }
  const host = createFakeHost({ programs })
  const passwd = '/dev/null'
  t.equal((await runWithPasswd(host, ['/usr/sbin/nft', '-j'], { passwd, whenRefused: 'run' }, look)).stdout, 'x')
  t.strictSame(host.commands.at(-1), ['/usr/sbin/nft', '-j'])
  const failing = runWithPasswd(host, ['/usr/sbin/nft'], { passwd, whenRefused: 'fail' }, look)
  await t.rejects(failing, { code: 'HOST_PROGRAM_FAILED', message: /Operation not permitted/ })
  const mute = createFakeHost({
    programs: { ...programs, '/usr/bin/unshare': () => ({ exitCode: 1, stderr: 'nft: unshare: no' }) },
  })
  await t.rejects(runWithPasswd(mute, ['/usr/sbin/nft'], { passwd, whenRefused: 'run' }, look), {
    code: 'HOST_PROGRAM_FAILED',
  })
  t.equal(mute.commands.length, 1, 'a failure of the program itself is not a refusal')
})

void t.test('runWithPasswd() runs a program as it is without the tools, and keeps a prefix outside', async (t) => {
  const nft: FakeProgram = ({ args, input }) => ({ stdout: [...args, input].join(' ') })
  const programs: Record<string, FakeProgram> = { ...others, '/usr/sbin/nft': nft }
  programs['/usr/bin/unshare'] = createFakeUnshare(() => programs)
  const passwd = '/dev/null'
  const command = ['/usr/sbin/nft', '-f', 'x'] as const
  const folder = createFakeHost({ programs, live: false })
  t.equal((await runWithPasswd(folder, command, { passwd, whenRefused: 'fail' }, look)).stdout, '-f x ')
  t.strictSame(folder.commands, [command])
  const without = createFakeHost({ programs: { '/usr/sbin/nft': nft } })
  t.equal((await runWithPasswd(without, command, { passwd, whenRefused: 'run' }, look)).stdout, '-f x ')
  await t.rejects(runWithPasswd(without, command, { passwd, whenRefused: 'fail' }, look), {
    code: 'HOST_PROGRAM_NOT_FOUND',
  })
  const host = createFakeHost({ programs })
  const hidden = await runWithPasswd(host, command, { passwd, whenRefused: 'fail' }, { ...look, input: 'y' })
  t.strictSame(hidden, { exitCode: 0, stdout: '-f x y', stderr: '' }, 'the fake runs it')
  t.not(host.commands[0]?.[0], '/usr/sbin/nft')
  const prefix = ['/usr/sbin/ip', 'netns', 'exec', 'a']
  const beyond = createFakeHost({ programs: { ...programs, '/usr/sbin/ip': () => ({ stdout: 'ended well\n' }) } })
  await runWithPasswd(beyond, command, { passwd, prefix, whenRefused: 'run' }, look)
  t.strictSame(beyond.commands[0]?.slice(0, 6), [...prefix, '/usr/bin/unshare', '--mount'])
})

void t.test('runWithPasswd() refuses arguments that find(1) would change', async (t) => {
  const host = createFakeHost()
  for (const word of [';', '{}', 'a{}b']) {
    const run = runWithPasswd(host, ['/usr/sbin/nft', word], { passwd: '/dev/null', whenRefused: 'run' }, look)
    await t.rejects(run, TypeError, word)
  }
  t.strictSame(host.commands, [])
})
