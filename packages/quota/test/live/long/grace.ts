/** Grace times in the kernel: usage above the soft limit, the grace time over, and usage below the limit again. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { findEvents, openQuota, type ReportedEvents } from '../../../src/index.ts'
import { as, cannotLimit, MiB, none } from '../../support/live.ts'

t.setTimeout(600_000)

const [writer, other] = [71_201, 71_202]

for (const mountPoint of ['/home', '/srv/xfs']) {
  const skip = cannotLimit || (existsSync(mountPoint) ? false : `${mountPoint} does not exist`)
  const quota = openQuota(createHost(), mountPoint)

  void t.test(`${mountPoint}: above the soft limit, grace time over, and recovered`, { skip }, async (t) => {
    const folder = `${mountPoint}/puppy-quota-grace`
    const before = (await quota.probe()).kinds?.user.grace ?? { bytes: 604_800, inodes: 604_800 }
    t.teardown(async () => {
      await rm(folder, { recursive: true, force: true })
      await quota.ensure([writer, other].map((id) => ({ id, bytes: none, inodes: none })))
      await quota.setGrace(before)
    })
    await mkdir(folder)
    await chmod(folder, 0o1777)
    let reported: ReportedEvents = {}
    const look = async () => {
      const readings = await quota.report([writer], { sync: true })
      const found = findEvents(readings, reported)
      reported = found.reported
      const { bytes } = readings[0] ?? {}
      return [bytes?.status, ...found.events.map(({ of, type, percent }) => [of, type, percent].join(' ').trim())]
    }
    const write = (uid: number, name: string, mebibytes: number) =>
      as(uid, 'dd', 'if=/dev/zero', `of=${folder}/${name}`, 'bs=64k', `count=${mebibytes * 16}`, 'conv=fsync')
    const seconds = 20
    await quota.setGrace({ bytes: seconds, inodes: seconds })
    const limits = { bytes: { soft: 4 * MiB, hard: 16 * MiB } }
    await quota.ensure([
      { id: writer, ...limits },
      { id: other, ...limits },
    ])

    t.strictSame(await look(), ['ok'])
    t.equal(write(writer, 'one', 8), '', 'between the soft and the hard limit a write succeeds')
    t.strictSame(await look(), ['soft', 'bytes graceStarted'])
    t.strictSame(await look(), ['soft'], 'reported once')
    t.equal(write(other, 'other', 8), '')
    t.match(await quota.setGraceOf(other, { bytes: 3600 }), { bytes: { status: 'soft' } }, 'one id has more time')

    const [reading] = await quota.report([writer])
    await sleep(((reading?.bytes.graceLeft ?? 0) + 2) * 1000)
    t.strictSame(await look(), ['expired', 'bytes graceExpired'])
    t.match(write(writer, 'two', 1), /Disk quota exceeded/, 'no further write, far below the hard limit')
    t.equal(write(other, 'more', 1), '', 'the id with more time can still write')
    t.match((await quota.report([other]))[0]?.bytes, { status: 'soft' })

    await rm(`${folder}/one`)
    await rm(`${folder}/two`, { force: true })
    execFileSync('sync', ['-f', mountPoint])
    t.strictSame(await look(), ['ok', 'bytes graceEnded'])
    t.equal(write(writer, 'three', 3), '', 'the id can write again')
    t.equal(write(writer, 'four', 12), '')
    t.strictSame(await look(), ['soft', 'bytes threshold 90', 'bytes graceStarted'])
    await rm(`${folder}/three`)
    await rm(`${folder}/four`)
    execFileSync('sync', ['-f', mountPoint])
    t.strictSame(await look(), ['ok', 'bytes recovered', 'bytes graceEnded'])
    await t.rejects(quota.setGraceOf(writer, { bytes: 60 }), { code: 'QUOTA_INVALID' })
  })
}
