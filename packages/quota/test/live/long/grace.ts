/** Grace times as the kernel keeps them: above the soft limit, over, and below it again. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { findEvents, openQuota, type ToldEvents } from '../../../src/index.ts'
import { as, cannotLimit, MiB, none } from '../../support/live.ts'

t.setTimeout(600_000)

const [writer, other] = [71_201, 71_202]

for (const mountPoint of ['/home', '/srv/xfs']) {
  const skip = cannotLimit || (existsSync(mountPoint) ? false : `there is no ${mountPoint}`)
  const quota = openQuota(createHost(), mountPoint)

  void t.test(`${mountPoint}: above the soft limit, over, and recovered`, { skip }, async (t) => {
    const folder = `${mountPoint}/puppy-quota-grace`
    const before = (await quota.probe()).kinds?.user.grace ?? { bytes: 604_800, inodes: 604_800 }
    t.teardown(async () => {
      await rm(folder, { recursive: true, force: true })
      await quota.set(
        'user',
        [writer, other].map((id) => ({ id, bytes: none, inodes: none })),
      )
      await quota.setGrace('user', before)
    })
    await mkdir(folder)
    await chmod(folder, 0o1777)
    let told: ToldEvents = {}
    const look = async () => {
      const readings = await quota.read('user', [writer], { sync: true })
      const found = findEvents(readings, told)
      told = found.told
      const { bytes } = readings[0] ?? {}
      return [bytes?.status, ...found.events.map(({ of, type, percent }) => [of, type, percent].join(' ').trim())]
    }
    const write = (uid: number, name: string, mebibytes: number) =>
      as(uid, 'dd', 'if=/dev/zero', `of=${folder}/${name}`, 'bs=64k', `count=${mebibytes * 16}`, 'conv=fsync')
    const seconds = 20
    await quota.setGrace('user', { bytes: seconds, inodes: seconds })
    const limits = { bytes: { soft: 4 * MiB, hard: 16 * MiB } }
    await quota.set('user', [
      { id: writer, ...limits },
      { id: other, ...limits },
    ])

    t.strictSame(await look(), ['ok'])
    t.equal(write(writer, 'one', 8), '', 'between soft and hard there is time')
    t.strictSame(await look(), ['soft', 'bytes graceStarted'])
    t.strictSame(await look(), ['soft'], 'told once')
    t.equal(write(other, 'other', 8), '')
    t.match(await quota.setGraceOf('user', other, { bytes: 3600 }), { bytes: { status: 'soft' } }, 'one id has longer')

    const [reading] = await quota.read('user', [writer])
    await sleep(((reading?.bytes.graceLeft ?? 0) + 2) * 1000)
    t.strictSame(await look(), ['expired', 'bytes graceExpired'])
    t.match(write(writer, 'two', 1), /Disk quota exceeded/, 'nothing more, long before the hard limit')
    t.equal(write(other, 'more', 1), '', 'whose time is longer still writes')
    t.match((await quota.read('user', [other]))[0]?.bytes, { status: 'soft' })

    await rm(`${folder}/one`)
    await rm(`${folder}/two`, { force: true })
    execFileSync('sync', ['-f', mountPoint])
    t.strictSame(await look(), ['ok', 'bytes graceEnded'])
    t.equal(write(writer, 'three', 3), '', 'it writes again')
    t.equal(write(writer, 'four', 12), '')
    t.strictSame(await look(), ['soft', 'bytes threshold 90', 'bytes graceStarted'])
    await rm(`${folder}/three`)
    await rm(`${folder}/four`)
    execFileSync('sync', ['-f', mountPoint])
    t.strictSame(await look(), ['ok', 'bytes recovered', 'bytes graceEnded'])
    await t.rejects(quota.setGraceOf('user', writer, { bytes: 60 }), { code: 'QUOTA_INVALID' })
  })
}
