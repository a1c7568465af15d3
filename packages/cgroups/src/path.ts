import { CgroupError } from './errors.ts'

declare const checked: unique symbol

/** A path below the root of the cgroup tree, without a leading slash. The root itself is empty. Only `parseCgroupPath` creates it. */
export type CgroupPath = string & { readonly [checked]: true }

/** The root of the tree. */
export const rootPath = '' as CgroupPath

/** Beginnings of names that are not allowed, because the kernel's own files are in the same folder. */
const kernelFile = /^(cgroup|cpu|cpuset|memory|io|pids|hugetlb|misc|rdma|irq|dmem)\./

/**
 * Parses a path below the root of the tree: names joined by `/`. A name must not be empty, `.` or `..`, and must not contain a control
 * character.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function parseCgroupPath(text: string): CgroupPath {
  if (text === '') return rootPath
  const fault =
    text.length > 3000 ? 'the path is longer than 3000 characters' : text.split('/').map(faultOfName).find(Boolean)
  if (fault === undefined) return text as CgroupPath
  throw new CgroupError('CGROUP_INVALID', { operation: 'use the path', value: text, detail: fault })
}

/** Returns the path of a child group. @throws CgroupError `CGROUP_INVALID` */
export function joinPath(path: CgroupPath, name: string): CgroupPath {
  return parseCgroupPath(path === '' ? name : `${path}/${name}`)
}

/** Returns the path of the parent group. The root is its own parent. */
export function parentOf(path: CgroupPath): CgroupPath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/'))) as CgroupPath
}

/** Returns the paths of all ancestors of a group, the root first. */
export function ancestorsOf(path: CgroupPath): readonly CgroupPath[] {
  if (path === '') return []
  const names = path.split('/')
  return names.map((_, index) => names.slice(0, index).join('/') as CgroupPath)
}

function faultOfName(name: string): string | undefined {
  if (name === '') return 'a path must not begin or end with /, and must not contain //'
  if (name === '.' || name === '..') return `${name} is not a valid name of a group`
  // oxlint-disable-next-line no-control-regex -- the test is for control characters
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'a name must not contain control characters'
  if (Buffer.byteLength(name) > 255) return 'a name must not be longer than 255 bytes'
  if (kernelFile.test(name)) return 'a name must not begin like a file of the kernel, such as cpu. or memory.'
  return undefined
}
