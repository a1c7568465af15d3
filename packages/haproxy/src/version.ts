/** The version and the features that `haproxy -vv` prints. */
export interface Version {
  /** `2.6.12-1+deb12u4` */
  readonly text: string
  readonly major: number
  readonly minor: number
  /** Whether the program was built with OpenSSL and so supports TLS. */
  readonly openssl: boolean
  /** Whether the program was built with Lua, which the rules for bodies of requests need. */
  readonly lua: boolean
}

/** The oldest supported version. HAProxy 2.5 introduced the counter arrays (`gpc(4)`), and 2.6 is the oldest version that was tested. */
export const oldestVersion = { major: 2, minor: 6 } as const

/**
 * Parses the output of `haproxy -vv`. Returns undefined for the output of another program.
 *
 * ```
 * HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/
 * Feature list : -51DEGREES +ACCEPT4 … +OPENSSL …
 * ```
 */
export function parseVersion(output: string): Version | undefined {
  const parts = /(?:^|\n)HA-?Proxy version (([0-9]{1,4})\.([0-9]{1,4})\S*)/.exec(output)
  if (parts === null) return undefined
  const [, text = '', major, minor] = parts
  const features = output.split('\n').find((line) => line.startsWith('Feature list :')) ?? ''
  const has = (feature: string) => features.split(' ').includes(`+${feature}`)
  return { text, major: Number(major), minor: Number(minor), openssl: has('OPENSSL'), lua: has('LUA') }
}

/** Returns whether a program of this version can run the configuration. Pure. */
export function isSupported({ major, minor }: Version): boolean {
  return major > oldestVersion.major || (major === oldestVersion.major && minor >= oldestVersion.minor)
}
