/** Everything that makes one kind of guest differ from another. */
export interface GuestDefinition {
  /** The word for `--release`, and what the builder calls it. */
  readonly release: string
  /** For people. */
  readonly version: string
  readonly builder: 'mmdebstrap'
  readonly packages: readonly string[]
  /** Units that never start, those that start at boot, and those that wait for a test to start them. */
  readonly mask: readonly string[]
  readonly enable: readonly string[]
  readonly disable: readonly string[]
  /** Booleans of the policy that are on. */
  readonly booleans: readonly string[]
  readonly kernelArguments: readonly string[]
  readonly cpus: number
  readonly memoryMiB: number
  /** Sizes of the disks, as mke2fs(8) and qemu-img(1) read them. Files are sparse. */
  readonly rootSize: string
  readonly homeSize: string
  readonly xfsSize: string
}
