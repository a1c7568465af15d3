import { execFileSync } from 'node:child_process'

const unshare = ['--mount', '--propagation', 'private'] as const

/** Returns why a test that mounts something in a mount namespace of its own cannot run here, or false. */
export function cannotMount(): string | false {
  try {
    execFileSync('unshare', [...unshare, 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' })
    return false
  } catch {
    return 'needs the rights to mount in a namespace'
  }
}

/** Runs a TypeScript module in a mount namespace of its own, so that this machine keeps its mounts. Returns the JSON that it prints. */
export function inMountNamespace(script: string): unknown {
  const words = [...unshare, process.execPath, '--input-type=module-typescript', '--eval', script]
  return JSON.parse(execFileSync('unshare', words, { encoding: 'utf8', cwd: import.meta.dirname }))
}
