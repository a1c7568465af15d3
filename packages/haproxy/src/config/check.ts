import { haproxyProgram, type ProxyContext } from '../context.ts'
import { HaproxyError } from '../errors.ts'
import type { RuntimeOptions } from '../runtime/socket.ts'
import { renderBundle, type Bundle, type WantedBundle } from './bundle.ts'
import { refuseCertificate, type RefusedCertificate } from './certificates.ts'
import { messagesOf, parseDiagnostics } from './diagnostics.ts'

/** A bundle that the real HAProxy takes. */
export interface CheckedBundle extends WantedBundle {
  readonly warnings: readonly string[]
}

/**
 * Renders the bundle and has the real program check it (`haproxy -c`), maps and certificates included, in a staging
 * folder beside the installed one.
 *
 * When HAProxy names a certificate in what it refuses, that one is left out and the rest is checked again.
 *
 * @throws HaproxyError `HAPROXY_CONFIG_INVALID` with HAProxy's own words, `HAPROXY_NOT_INSTALLED`.
 */
export async function checkBundle(context: ProxyContext, options: RuntimeOptions = {}): Promise<CheckedBundle> {
  const without: RefusedCertificate[] = []
  for (;;) {
    const bundle = await renderBundle(context, without)
    const { alerts, warnings } = await runCheck(context, bundle, options)
    if (alerts.length === 0) return { ...bundle, warnings }
    const blamed = blame(alerts, bundle)
    if (blamed.length === 0) throw invalid(context, alerts)
    without.push(...blamed.map((path) => refuseCertificate(path, { said: alerts })))
  }
}

function invalid({ real }: ProxyContext, said: readonly string[]): HaproxyError {
  return new HaproxyError('HAPROXY_CONFIG_INVALID', { operation: 'install', path: real.files.config, said })
}

/** The certificates of the bundle whose paths HAProxy names. */
function blame(alerts: readonly string[], { crtList = '' }: Bundle): readonly string[] {
  const paths = crtList.split('\n').filter((row) => row.startsWith('/'))
  const said = alerts.join('\n')
  return paths.filter((path) => said.includes(`'${path}'`) || said.includes(`${path}:`) || said.includes(`${path} `))
}

interface CheckOutcome {
  readonly alerts: readonly string[]
  readonly warnings: readonly string[]
}

async function runCheck(context: ProxyContext, bundle: Bundle, options: RuntimeOptions): Promise<CheckOutcome> {
  const { host, files, real } = context
  const program = haproxyProgram(host)
  await stage(context, bundle)
  try {
    const command = [program, '-c', '-L', 'puppy', '-f', `${real.files.staged}/haproxy.cfg`] as const
    const result = await host.run([...command], {
      touches: 'ours',
      timeout: 120_000,
      accept: [0, 1],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    const said = parseDiagnostics(result.stderr.replaceAll(`${real.files.staged}/`, `${real.settings.folder}/`))
    const alerts = messagesOf(said, 'alert')
    const silent = result.exitCode !== 0 && alerts.length === 0
    return { alerts: silent ? [result.stderr.trim().slice(-500)] : alerts, warnings: messagesOf(said, 'warning') }
  } finally {
    await removeStaged({ host, files })
  }
}

const stagedNames = ['haproxy.cfg', 'hosts.map', 'suspended.map', 'certificates.crt-list'] as const

async function stage({ host, files }: ProxyContext, bundle: Bundle): Promise<void> {
  const texts: Record<(typeof stagedNames)[number], string> = {
    'haproxy.cfg': bundle.config,
    'hosts.map': (await host.read(files.hosts)) ?? '',
    'suspended.map': (await host.read(files.suspended)) ?? '',
    'certificates.crt-list': bundle.crtList ?? '',
  }
  await host.makeFolder(files.staged, { mode: 0o700 })
  for (const name of stagedNames) await host.replace(`${files.staged}/${name}`, texts[name], { mode: 0o600 })
}

/** Removes the staging folder with everything in it; one that a killed process left behind too. */
export async function removeStaged({ host, files }: Pick<ProxyContext, 'host' | 'files'>): Promise<void> {
  for (const name of await host.list(files.staged)) await host.remove(`${files.staged}/${name}`)
  await host.remove(files.staged)
}
