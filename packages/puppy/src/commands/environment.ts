import type { Config } from '../config.ts'
import { databaseUrls } from '../places.ts'

const shared = ['NODE_COMPILE_CACHE', 'PUPPY_STATE_DIR', 'PUPPY_RUN_DIR', 'PUPPY_LOG_LEVEL'] as const
const own = {
  api: ['PUPPY_LISTEN', 'PUPPY_REQUIRE', 'PUPPY_ACCOUNTS_PER_RESELLER', 'PUPPY_DOMAINS_PER_RESELLER'],
  agent: [
    'PUPPY_ROOT',
    'PUPPY_DRY_RUN',
    'PUPPY_HOST',
    'PUPPY_POOL',
    'PUPPY_PROXY_LISTEN',
    'PUPPY_PROXY_TLS_LISTEN',
    'PUPPY_CERTIFICATES',
    'PUPPY_PROXY_ADDRESS_CONNECTIONS',
    'PUPPY_PROXY_ADDRESS_REQUESTS',
    'PUPPY_PROXY_BODY_RATE',
    'PUPPY_FIRST_UID',
    'PUPPY_FIRST_PORT',
    'PUPPY_AUDIT_DAYS',
  ],
} as const

/** Returns the variables that the API or the agent needs, and no others. The API never gets the database URL of another role. */
export function childEnvironment(
  config: Config,
  name: 'api' | 'agent',
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const passed = [...shared, ...own[name]].flatMap((variable): [string, string][] => {
    const value = env[variable]
    return value === undefined ? [] : [[variable, value]]
  })
  const url = databaseUrls(config)[name]
  return {
    ...Object.fromEntries(passed),
    PUPPY_STATE_DIR: config.stateDir,
    PUPPY_RUN_DIR: config.runDir,
    ...(name === 'api' ? { API_DATABASE_URL: url } : { AGENT_DATABASE_URL: url }),
    NODE_NO_WARNINGS: '1',
    // One arena for all threads: threads that do not run JavaScript allocate little. @see mallopt(3)
    MALLOC_ARENA_MAX: '1',
  }
}
