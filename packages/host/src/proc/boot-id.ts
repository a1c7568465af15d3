import type { Host } from '../host.ts'

const form = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Reads the id that the kernel generates at each boot, such as `0f6a6f1e-…`. Returns undefined when the file does not exist or contains no
 * valid id.
 *
 * @throws HostError `HOST_READ_FAILED`
 * @see random(4)
 */
export async function readBootId(host: Pick<Host, 'read'>): Promise<string | undefined> {
  const text = (await host.read('/proc/sys/kernel/random/boot_id'))?.trim() ?? ''
  return form.test(text) ? text : undefined
}
