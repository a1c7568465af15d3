import type { FastifyInstance, InjectOptions } from 'fastify'
import type { Test } from 'tap'
import { createApp } from '../../src/app.ts'
import { createObserver } from '../../src/observer.ts'
import { generateKey, insertKey } from '@puppy/state/store/keys'
import type { TestDatabase } from '@puppy/state/testing'
import type { Dependencies } from '../../src/dependencies.ts'

export interface TestApp {
  readonly app: FastifyInstance
  readonly adminKey: string
  /** Sends a request with the admin's key (or another, or none with null). Returns status, headers and JSON. */
  request(method: InjectOptions['method'], url: string, body?: unknown, options?: RequestOptions): Promise<Answer>
}

export interface RequestOptions {
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
  /** Sent unchanged, in place of a JSON body. */
  readonly raw?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  // The assertions check what a caller receives, not the types.
  readonly body: Record<string, never> & Readonly<Record<string, unknown>>
}

/** Starts the service on a database, with the rights of the API only. Without an agent no host is alive, so no request waits. */
export async function startApp(
  t: Test,
  database: TestDatabase,
  required: readonly string[] = [],
  most: Dependencies['most'] = { accounts: 1000, domains: 10_000 },
): Promise<TestApp> {
  const observer = createObserver(database.api)
  const app = await createApp({
    database: database.api,
    observer,
    required,
    most,
  })
  t.teardown(async () => {
    await observer.close()
    await app.close()
  })
  const adminKey = generateKey()
  await insertKey(database.owner, adminKey, { reseller: 'root', scopes: ['admin'], label: 'test' })
  return {
    app,
    adminKey,
    request: (method, url, body, options) => send(app, adminKey, { method, url, body, ...options }),
  }
}

interface Sending extends RequestOptions {
  readonly method: InjectOptions['method']
  readonly url: string
  readonly body: unknown
}

async function send(
  app: FastifyInstance,
  adminKey: string,
  { method, url, body, key = adminKey, headers = {}, raw }: Sending,
): Promise<Answer> {
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
  const answer = await app.inject({
    ...(method === undefined ? {} : { method }),
    url,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(payload === undefined ? {} : { payload }),
  })
  const isJson = String(answer.headers['content-type'] ?? '').includes('json')
  return { status: answer.statusCode, headers: answer.headers, body: isJson && answer.body !== '' ? answer.json() : {} }
}
