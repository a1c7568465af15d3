/** Everything that differs between two kinds of guest. */
export interface GuestDefinition {
  /** The value for `--release`. The builder uses the same name. */
  readonly release: string
  /** The name in messages. */
  readonly version: string
  readonly builder: 'mmdebstrap'
  readonly packages: readonly string[]
  /** Units that never start, units that start at boot, and units that only a test starts. */
  readonly mask: readonly string[]
  readonly enable: readonly string[]
  readonly disable: readonly string[]
  readonly kernelArguments: readonly string[]
  readonly cpus: number
  readonly memoryMiB: number
  /** Sizes of the disks, as mke2fs(8) and qemu-img(1) read them. Files are sparse. */
  readonly rootSize: string
  readonly homeSize: string
  readonly xfsSize: string
}
