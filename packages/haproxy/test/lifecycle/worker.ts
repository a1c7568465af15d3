import t from 'tap'
import { findMaster, masterAmong, readMaster, readWorker, readWorkerMeanwhile } from '../../src/lifecycle/worker.ts'
import { skip, testProxy } from '../support/proxy.ts'

void t.test('masterAmong() returns the process with a child', async (t) => {
  t.equal(masterAmong([]), undefined)
  t.equal(masterAmong([{ pid: 9, parent: 1 }]), undefined, 'a worker without a master')
  t.equal(
    masterAmong([
      { pid: 9, parent: 7 },
      { pid: 7, parent: 1 },
      { pid: 8, parent: 7 },
    ]),
    7,
  )
})

void t.test('readMaster() uses a pid file only when its process is ours', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  t.equal(await readMaster(context), pid)
  await context.host.replace(context.files.pid, `${process.pid}\n`)
  t.equal(await readMaster(context), undefined)
})

void t.test('readMaster() works without a valid pid file, as in every reload', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  t.equal(await readMaster(context), undefined)
  const { pid } = await haproxy.ensureRunning(spec)
  for (const text of ['1\n', 'nonsense', '']) {
    await context.host.replace(context.files.pid, text)
    t.equal(await readMaster(context), pid, text)
  }
  await context.host.remove(context.files.pid)
  t.equal(await readMaster(context), pid)
})

void t.test('findMaster() finds the master without a pid file, and writes the file again', { skip }, async (t) => {
  const { haproxy, context, spec } = await testProxy(t)
  const { pid } = await haproxy.ensureRunning(spec)
  await context.host.remove(context.files.pid)
  t.equal(await findMaster(context), pid)
  t.equal(await readMaster(context), pid)
})

void t.test('readWorker() returns undefined when HAProxy does not run', async (t) => {
  const { context } = await testProxy(t)
  t.equal(await readWorker(context), undefined)
  t.equal(await readWorkerMeanwhile(context), undefined)
})
