import type { Test } from 'tap'
import { endProcess, identifyProcess, isRunning } from '../../src/process.ts'
import { HostError, type FileText, type Host, type HostErrorCode } from '../../src/index.ts'

/** A real or fake `Host`. `folder` is an empty, writable folder of the host. */
export interface Subject {
  readonly host: Host
  readonly folder: string
  /** Programs that behave as cat(1) and false(1) do. */
  readonly cat: string
  readonly no: string
  /** Starts a process that does nothing until a signal ends it, and returns its pid. Absent: the host is only a folder. */
  readonly startProcess?: () => Promise<number>
}

export async function hostConforms(t: Test, { host, folder, cat, no, startProcess }: Subject): Promise<void> {
  const fails = async (code: HostErrorCode, attempt: Promise<unknown>, what: string) => {
    const error = await attempt.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    t.ok(error instanceof HostError, `${what}: a HostError`)
    t.equal((error as HostError).code, code, what)
  }

  t.equal(await host.read(`${folder}/none`), undefined, 'read() of nothing is undefined')
  t.equal(await host.status(`${folder}/none`), undefined, 'status() of nothing is undefined')
  t.strictSame(await host.list(`${folder}/none`), [], 'list() of nothing is empty')
  t.equal(await host.readLink(`${folder}/none`), undefined, 'readLink() of nothing is undefined')

  t.strictSame(await host.replace(`${folder}/a`, 'one\n', { mode: 0o640 }), { changed: true }, 'replace() creates')
  t.equal(await host.read(`${folder}/a`), 'one\n')
  t.match(await host.status(`${folder}/a`), { kind: 'file', mode: 0o640, size: 4 })
  t.equal(await host.readLink(`${folder}/a`), undefined, 'readLink() of a file is undefined')
  t.strictSame(
    await host.replace(`${folder}/a`, 'one\n', { mode: 0o640 }),
    { changed: false },
    'replace() is idempotent',
  )
  t.strictSame(await host.replace(`${folder}/a`, 'two\n'), { changed: true }, 'replace() replaces')
  t.match(await host.status(`${folder}/a`), { mode: 0o640 }, 'replace() keeps the mode')
  t.strictSame(
    await host.replace(`${folder}/a`, 'two\n', { mode: 0o600 }),
    { changed: true },
    'replace() changes the mode alone',
  )
  t.strictSame(await host.list(folder), ['a'], 'replace() leaves no temporary file')
  await fails('HOST_WRITE_FAILED', host.replace(`${folder}/no/such`, 'x'), 'replace() needs an existing folder')
  await fails('HOST_READ_FAILED', host.read(folder), 'read() of a folder')
  await fails('HOST_FILE_TOO_LARGE', host.read(`${folder}/a`, { maxBytes: 2 }), 'read() of a file above `maxBytes`')

  const grown = `${folder}/grown`
  t.equal(await host.readLines(grown), undefined, 'readLines() of nothing is undefined')
  await host.replace(grown, 'one\ntwö\nhal')
  const first = await host.readLines(grown)
  t.matchOnlyStrict(
    first,
    { lines: ['one', 'twö'], place: { file: String, offset: 9 }, restarted: false },
    'readLines() returns complete lines',
  )
  t.strictSame(await host.readLines(grown, first?.place), { lines: [], place: first?.place, restarted: false })
  t.strictSame(
    await host.readLines(grown, 'end'),
    { lines: [], place: { ...first?.place, offset: 12 }, restarted: false },
    'readLines() from the end',
  )
  const visited: string[] = []
  t.ok(await host.readEachLine(grown, (line) => visited.push(line) < 3))
  t.strictSame(visited, ['one', 'twö', 'hal'], 'readEachLine() visits the last line too')
  t.ok(await host.readEachLine(grown, (line) => visited.push(line) < 4))
  t.strictSame(visited.slice(3), ['one'], 'readEachLine() stops')
  t.notOk(await host.readEachLine(`${folder}/nothing`, () => true), 'readEachLine() of nothing')
  await fails(
    'HOST_READ_FAILED',
    host.readEachLine(folder, () => true),
    'readEachLine() of a folder',
  )
  await host.replace(grown, 'other\n')
  const replaced = await host.readLines(grown, first?.place)
  t.matchOnlyStrict(
    replaced,
    { lines: ['other'], place: { file: String, offset: 6 }, restarted: true },
    'readLines() of another file',
  )
  t.not(replaced?.place.file, first?.place.file)
  await fails('HOST_READ_FAILED', host.readLines(folder), 'readLines() of a folder')
  await host.remove(grown)
  t.equal(await host.ask(`${folder}/none`, 'anything'), undefined, 'ask() of nothing is undefined')

  const many = [
    { path: `${folder}/m/n/a`, text: 'one\n', mode: 0o640, makeFolder: true },
    { path: `${folder}/b`, text: 'ü' },
    { path: `${folder}/no/such`, text: 'x' },
    { path: `${folder}/a/below-a-file`, text: 'x', makeFolder: true },
    { path: `${folder}/m`, text: 'x' },
    { path: 'relative', text: 'x' },
  ]
  const replace = async (files: readonly FileText[]) =>
    (await host.replaceMany(files)).map(({ path, changed, error }) => [path, changed, error?.code])
  const outcomes = (first: boolean) => [
    [`${folder}/m/n/a`, first, undefined],
    [`${folder}/b`, first, undefined],
    [`${folder}/no/such`, false, 'HOST_WRITE_FAILED'],
    [`${folder}/a/below-a-file`, false, 'HOST_WRITE_FAILED'],
    [`${folder}/m`, false, 'HOST_WRITE_FAILED'],
    ['relative', false, 'HOST_PATH_OUTSIDE_ROOT'],
  ]
  t.strictSame(await replace(many), outcomes(true), 'replaceMany(): each has its own result')
  t.strictSame(await replace(many), outcomes(false), 'replaceMany() is idempotent')
  t.strictSame(await host.replaceMany([]), [])
  t.equal(await host.read(`${folder}/m/n/a`), 'one\n')
  t.match(await host.status(`${folder}/m`), { kind: 'folder', mode: 0o755 })
  t.match(await host.status(`${folder}/m/n/a`), { mode: 0o640 })
  t.match(await host.status(`${folder}/b`), { mode: 0o600, size: 2 })
  t.strictSame(await replace([{ path: `${folder}/m/n/a`, text: 'two\n' }]), [[`${folder}/m/n/a`, true, undefined]])
  t.match(await host.status(`${folder}/m/n/a`), { mode: 0o640 }, 'replaceMany() keeps the mode')
  t.equal(await host.read(`${folder}/m/n/a`), 'two\n')
  t.strictSame(await host.list(folder), ['a', 'b', 'm'], 'replaceMany() leaves no temporary file')
  await t.rejects(
    host.replaceMany([many[1] as FileText, many[1] as FileText]),
    TypeError,
    'a path that is listed twice',
  )
  for (const path of ['m/n/a', 'm/n', 'm', 'b']) await host.remove(`${folder}/${path}`)

  t.strictSame(
    await host.makeFolder(`${folder}/x/y`, { mode: 0o711 }),
    { changed: true },
    'makeFolder() creates parents',
  )
  t.match(await host.status(`${folder}/x`), { kind: 'folder', mode: 0o755 })
  t.match(await host.status(`${folder}/x/y`), { kind: 'folder', mode: 0o711 })
  t.strictSame(
    await host.makeFolder(`${folder}/x/y`, { mode: 0o711 }),
    { changed: false },
    'makeFolder() is idempotent',
  )
  await fails('HOST_WRITE_FAILED', host.makeFolder(`${folder}/a`), 'makeFolder() of an existing file')
  await fails('HOST_WRITE_FAILED', host.remove(`${folder}/x`), 'remove() of a folder that is not empty')
  t.strictSame(await host.remove(`${folder}/x/y`), { changed: true }, 'remove() of an empty folder')
  t.strictSame(await host.remove(`${folder}/a`), { changed: true }, 'remove() of a file')
  t.strictSame(await host.remove(`${folder}/a`), { changed: false }, 'remove() of nothing')
  t.throws(() => host.path('etc/passwd'), { code: 'HOST_PATH_OUTSIDE_ROOT' }, 'path() refuses a relative path')

  t.match(
    await host.run([cat], { touches: 'nothing', input: 'hej' }),
    { exitCode: 0, stdout: 'hej' },
    'run() passes input and returns output',
  )
  await fails('HOST_PROGRAM_FAILED', host.run([no], { touches: 'nothing' }), 'run() of a program that fails')
  t.match(await host.run([no], { touches: 'nothing', accept: [0, 1] }), { exitCode: 1 }, 'run() accepts an exit code')
  await fails('HOST_PROGRAM_NOT_FOUND', host.run(['/no/such/program'], { touches: 'nothing' }), 'run() of nothing')
  await t.rejects(host.run(['cat'], { touches: 'nothing' }), TypeError, 'run() needs an absolute path')
  const aborted = { touches: 'nothing', signal: AbortSignal.abort() } as const
  await fails('HOST_ABORTED', host.run([cat], aborted), 'run() after an abort')

  const lock = await host.lock(`${folder}/lock`)
  await fails('HOST_LOCK_TIMEOUT', host.lock(`${folder}/lock`, { timeout: 0 }), 'lock() is exclusive within a process')
  const waiting = host.lock(`${folder}/lock`, { timeout: 5000 })
  await lock.release()
  await lock.release()
  const next = await waiting
  t.equal(next.path, `${folder}/lock`, 'lock() waits for the holder')
  await next.release()

  const config = `${folder}/config`
  const seen = await host.lock(config, { visible: true })
  t.match(await host.status(`${config}.lock`), { kind: 'folder', mode: 0o1700 }, 'a visible lock is a folder')
  t.equal(await host.status(config), undefined, 'the file itself is not created')
  t.equal(seen.lost.aborted, false)
  await fails('HOST_LOCK_TIMEOUT', host.lock(config, { visible: true, timeout: 0 }), 'a visible lock is exclusive')
  await seen.release()
  await seen.release()
  t.equal(await host.status(`${config}.lock`), undefined, 'release() removes the folder')
  await host.makeFolder(`${config}.lock`)
  await fails('HOST_LOCK_TIMEOUT', host.lock(config, { visible: true, timeout: 0 }), 'another program holds the folder')
  const aborting = new AbortController()
  const patient = host.lock(config, { visible: true, signal: aborting.signal })
  setTimeout(() => aborting.abort(), 20)
  await fails('HOST_ABORTED', patient, 'waiting for another program is aborted')
  const served = host.lock(config, { visible: true })
  await host.remove(`${config}.lock`)
  await (await served).release()
  await host.makeFolder(`${config}.lock`, { mode: 0o1700 })
  const after = await host.lock(config, { visible: true, timeout: 0 })
  await after.release()
  t.equal(await host.status(`${config}.lock`), undefined, 'the folder of a killed process is taken at once')
  await host.replace(`${config}.lock`, 'a file')
  await fails('HOST_LOCK_FAILED', host.lock(config, { visible: true, timeout: 0 }), 'the lock folder is a file')
  await fails('HOST_LOCK_FAILED', host.lock(`${folder}/no/such`, { visible: true }), 'the parent folder does not exist')
  const gone = { visible: true, signal: AbortSignal.abort() }
  await fails('HOST_ABORTED', host.lock(`${folder}/other`, gone), 'lock() after an abort')
  t.equal(await host.status(`${folder}/other.lock`), undefined)

  if (startProcess === undefined) {
    await fails('HOST_NOT_LIVE', host.signal({ pid: 2 ** 22 + 1, started: 1 }, 'SIGTERM'), 'signal() of a folder')
    return
  }
  const pid = await startProcess()
  const found = await identifyProcess(host, pid)
  t.equal(found?.pid, pid, 'a process that runs is identified')
  const process = { pid, started: found?.started ?? -1 }
  const other = { pid, started: process.started - 1 }
  t.equal(await host.signal(other, 'SIGKILL'), false, 'signal() does not signal another process with the same pid')
  t.equal(await isRunning(host, other), false)
  t.equal(await host.signal(process, 'SIGCONT'), true, 'signal() sends')
  t.equal(await isRunning(host, process), true)
  t.equal(await endProcess(host, process, 'SIGTERM', { timeout: 60_000 }), true, 'a process ends by its signal')
  t.equal(await isRunning(host, process), false)
  t.equal(await host.signal(process, 'SIGKILL'), false, 'signal() to a process that has ended')
  t.equal(await endProcess(host, process, 'SIGKILL'), true, 'endProcess() of a process that has ended')
  t.equal(await identifyProcess(host, pid), undefined)
  for (const wrong of [0, -1, -pid, 1, 1.5, Number.NaN])
    await t.rejects(host.signal({ ...process, pid: wrong }, 'SIGTERM'), TypeError, `signal() to ${wrong}`)
}
