import { CgroupError } from './errors.ts'

declare const checked: unique symbol

/** A path below the root of the cgroup tree, without a slash in front; the root itself is empty. Made by `parseCgroupPath` only. */
export type CgroupPath = string & { readonly [checked]: true }

/** The root of the tree. */
export const rootPath = '' as CgroupPath

/** What a name may not begin with: the kernel's own files stand beside the groups. */
const kernelFile = /^(cgroup|cpu|cpuset|memory|io|pids|hugetlb|misc|rdma|irq|dmem)\./

/**
 * Checks a path below the root of the tree: names joined by `/`, none empty, `.` or `..`, none with a control character.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function parseCgroupPath(text: string): CgroupPath {
  if (text === '') return rootPath
  const fault = text.length > 3000 ? 'it is too long' : text.split('/').map(faultOfName).find(Boolean)
  if (fault === undefined) return text as CgroupPath
  throw new CgroupError('CGROUP_INVALID', { operation: 'use the path', value: text, detail: fault })
}

/** A group inside a group. @throws CgroupError `CGROUP_INVALID` */
export function joinPath(path: CgroupPath, name: string): CgroupPath {
  return parseCgroupPath(path === '' ? name : `${path}/${name}`)
}

/** The group around a group; the root is its own. */
export function parentOf(path: CgroupPath): CgroupPath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/'))) as CgroupPath
}

/** The groups around a group, the root first, itself left out. */
export function ancestorsOf(path: CgroupPath): readonly CgroupPath[] {
  if (path === '') return []
  const names = path.split('/')
  return names.map((_, index) => names.slice(0, index).join('/') as CgroupPath)
}

function faultOfName(name: string): string | undefined {
  if (name === '') return 'a path has no / in front, at its end or twice'
  if (name === '.' || name === '..') return `${name} is no name of a group`
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'a name has no control characters'
  if (Buffer.byteLength(name) > 255) return 'a name has at most 255 bytes'
  if (kernelFile.test(name)) return 'names like those of the kernel’s own files cannot be made'
  return undefined
}
