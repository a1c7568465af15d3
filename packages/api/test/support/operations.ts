import { smallPlan } from '@puppy/state/testing'

export interface Operation {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  /** The path as in the OpenAPI document. */
  readonly path: string
  readonly access: 'public' | 'reseller' | 'admin'
  readonly body?: object
}

/** Every operation of the API, with a well-formed request. `plugins/openapi.ts` checks that none is missing. */
export const operations: readonly Operation[] = [
  { method: 'GET', path: '/livez', url: '/livez', access: 'public' },
  { method: 'GET', path: '/readyz', url: '/readyz', access: 'public' },
  { method: 'GET', path: '/metrics', url: '/metrics', access: 'admin' },
  { method: 'GET', path: '/v1/plans', url: '/v1/plans', access: 'reseller' },
  { method: 'GET', path: '/v1/plans/{plan}', url: '/v1/plans/small', access: 'reseller' },
  { method: 'PUT', path: '/v1/plans/{plan}', url: '/v1/plans/small', access: 'admin', body: smallPlan },
  { method: 'DELETE', path: '/v1/plans/{plan}', url: '/v1/plans/small', access: 'admin' },
  { method: 'GET', path: '/v1/accounts', url: '/v1/accounts', access: 'reseller' },
  { method: 'GET', path: '/v1/accounts/{account}', url: '/v1/accounts/blog', access: 'reseller' },
  {
    method: 'PUT',
    path: '/v1/accounts/{account}',
    url: '/v1/accounts/blog',
    access: 'reseller',
    body: { plan: 'small' },
  },
  { method: 'PATCH', path: '/v1/accounts/{account}', url: '/v1/accounts/blog', access: 'reseller', body: {} },
  { method: 'DELETE', path: '/v1/accounts/{account}', url: '/v1/accounts/blog', access: 'reseller' },
  { method: 'GET', path: '/v1/accounts/{account}/usage', url: '/v1/accounts/blog/usage', access: 'reseller' },
  { method: 'GET', path: '/v1/domains', url: '/v1/domains', access: 'reseller' },
  { method: 'GET', path: '/v1/domains/{domain}', url: '/v1/domains/blog.example.org', access: 'reseller' },
  {
    method: 'PUT',
    path: '/v1/domains/{domain}',
    url: '/v1/domains/blog.example.org',
    access: 'reseller',
    body: { account: 'blog', port: 10_240 },
  },
  { method: 'DELETE', path: '/v1/domains/{domain}', url: '/v1/domains/blog.example.org', access: 'reseller' },
  { method: 'GET', path: '/v1/hosts', url: '/v1/hosts', access: 'admin' },
  { method: 'GET', path: '/v1/hosts/{host}', url: '/v1/hosts/h1', access: 'admin' },
  { method: 'GET', path: '/v1/hosts/{host}/pool', url: '/v1/hosts/h1/pool', access: 'admin' },
  {
    method: 'PUT',
    path: '/v1/hosts/{host}/pool',
    url: '/v1/hosts/h1/pool',
    access: 'admin',
    body: { free: 1, max: 10 },
  },
  { method: 'GET', path: '/v1/hosts/{host}/changes', url: '/v1/hosts/h1/changes', access: 'admin' },
]
