import { runOptions, type EffectOptions } from '@puppy/host'
import { haproxyProgram, type LocationContext, type ProxyContext } from '../context.ts'
import { messagesOf, parseDiagnostics } from '../diagnostics.ts'
import { encodeWord } from '../encode.ts'
import { HaproxyError, joinMessages } from '../errors.ts'
import { renderBundle, type Bundle } from './bundle.ts'
import { refuseCertificate, type Certificates, type RefusedCertificate } from './certificates.ts'

/** A bundle that HAProxy accepted. */
export interface CheckedBundle extends Bundle {
  /** The certificates that only HAProxy refused. They are not in the bundle. */
  readonly refused: readonly RefusedCertificate[]
  readonly warnings: readonly string[]
}

/**
 * Renders the bundle and checks it with `haproxy -c` in a staging folder beside the installed files. The check includes maps and
 * certificates.
 *
 * When HAProxy names a certificate in its error message, that certificate is left out and the rest is checked again.
 *
 * @throws HaproxyError `HAPROXY_CONFIG_INVALID` with the message of HAProxy, `HAPROXY_NOT_INSTALLED`.
 */
export async function checkBundle(
  context: ProxyContext,
  certificates: Certificates,
  ipv6: boolean,
  options: EffectOptions = {},
): Promise<CheckedBundle> {
  const refused: RefusedCertificate[] = []
  for (;;) {
    const without = new Set(refused.map(({ target }) => target))
    const served = certificates.served.filter(({ path }) => !without.has(path))
    const left = { served, refused: [...certificates.refused, ...refused] }
    const bundle = renderBundle(context.real.settings, left, ipv6)
    const { alerts, warnings } = await runCheck(context, bundle, options)
    if (alerts.length === 0) return { ...bundle, refused, warnings }
    const said = joinMessages(alerts)
    const paths = served.map(({ path }) => path)
    const named = new Set(alerts.flatMap((alert) => findBlamed(paths, alert)))
    const blamed = served.filter(({ path }) => named.has(path))
    if (blamed.length === 0) throw invalid(context, said)
    refused.push(...blamed.map(({ path, digest }) => ({ ...refuseCertificate(path, { said }), digest })))
  }
}

function invalid({ real }: ProxyContext, said: string): HaproxyError {
  return new HaproxyError('HAPROXY_CONFIG_INVALID', { operation: 'install', target: real.files.config, said })
}

/**
 * Returns the certificates that a message names. A path may be the beginning of another one (`/certs/a.pem` and `/certs/a.pem:old.pem`): only
 * the longer one is returned. Pure.
 */
export function findBlamed(paths: readonly string[], alert: string): readonly string[] {
  const named = paths.filter(
    (path) => alert.includes(`'${path}'`) || alert.includes(`${path}:`) || alert.includes(`${path} `),
  )
  return named.filter((path) => !named.some((other) => other !== path && other.startsWith(path)))
}

interface CheckOutcome {
  readonly alerts: readonly string[]
  readonly warnings: readonly string[]
}

async function runCheck(context: ProxyContext, bundle: Bundle, options: EffectOptions): Promise<CheckOutcome> {
  const { host, files, real } = context
  const program = haproxyProgram(host)
  await stage(context, bundle)
  try {
    const command = [program, '-c', '-L', 'puppy', '-f', `${real.files.staged}/haproxy.cfg`] as const
    const result = await host.run([...command], runOptions('ours', options, { accept: [0, 1] }))
    const said = parseDiagnostics(result.stderr.replaceAll(`${real.files.staged}/`, `${real.settings.folder}/`))
    const alerts = messagesOf(said, 'alert')
    const silent = result.exitCode !== 0 && alerts.length === 0
    return { alerts: silent ? [result.stderr.trim().slice(-500)] : alerts, warnings: messagesOf(said, 'warning') }
  } finally {
    await removeStaged({ host, files })
  }
}

const stagedNames = ['haproxy.cfg', 'hosts.map', 'suspended.map', 'certificates.crt-list', 'request-body.lua'] as const

async function stage({ host, files, real }: ProxyContext, bundle: Bundle): Promise<void> {
  const texts: Record<(typeof stagedNames)[number], string> = {
    // Only this name is an absolute path.
    'haproxy.cfg': bundle.config.replace(
      encodeWord(real.files.script),
      encodeWord(`${real.files.staged}/request-body.lua`),
    ),
    'hosts.map': (await host.read(files.hosts)) ?? '',
    'suspended.map': (await host.read(files.suspended)) ?? '',
    'certificates.crt-list': bundle.crtList ?? '',
    'request-body.lua': bundle.script ?? '',
  }
  await host.makeFolder(files.staged, { mode: 0o700 })
  for (const name of stagedNames) await host.replace(`${files.staged}/${name}`, texts[name], { mode: 0o600 })
}

/** Deletes the staging folder and everything in it, also when a killed process left it behind. */
export async function removeStaged({ host, files }: Pick<LocationContext, 'host' | 'files'>): Promise<void> {
  for (const name of await host.list(files.staged)) await host.remove(`${files.staged}/${name}`)
  await host.remove(files.staged)
}
