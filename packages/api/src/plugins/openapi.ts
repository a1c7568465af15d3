import { open } from 'node:fs/promises'
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

const description = `Puppy turns one Linux machine, or a few, into multi-tenant hosting. PUT sets the spec of a resource by its name and is
idempotent. The response reports whether the host has applied the spec (\`ready\`, \`conditions\`). Every error is an
application/problem+json with a stable \`code\`.`

const tags = [
  { name: 'accounts', description: 'Slots that are assigned to customers.' },
  { name: 'domains', description: 'Host names that are routed to ports of accounts.' },
  { name: 'plans', description: 'Named sets of limits.' },
  { name: 'hosts', description: 'Linux machines that run tenants, and their pools of slots.' },
  { name: 'health', description: 'Health checks and metrics.' },
]

/**
 * Serves the OpenAPI document at /openapi.json and a page to read it at /docs.
 *
 * Every file is opened before root is dropped. Files are read for each request: the script of the page alone would take 3 MB of memory.
 */
export const openapiPlugin = fastifyPlugin(
  async (app: FastifyInstance) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Puppy', version: '1.0.0', description, license: { name: 'MIT', identifier: 'MIT' } },
        servers: [{ url: '/', description: 'The host that serves this document.' }],
        security: [{ key: [] }],
        tags,
        components: {
          securitySchemes: {
            key: { type: 'http', scheme: 'bearer', description: 'An API key of the form puppy_<id>_<secret>.' },
          },
        },
      },
      refResolver: {
        buildLocalReference: (json, _uri, _fragment, index) =>
          typeof json['$id'] === 'string' ? json['$id'] : `Schema${index}`,
      },
    })
    const hidden = { schema: { hide: true }, config: { access: 'public' } } as const
    app.get('/openapi.json', hidden, async () => app.swagger())
    for (const [path, { type, read }] of Object.entries(await openPages(app))) {
      app.get(path, hidden, async (_request, reply) =>
        reply
          .type(type)
          .header('cache-control', 'max-age=3600')
          .send(await read()),
      )
    }
  },
  { name: 'openapi' },
)

const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Puppy API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="ui"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
`
const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, persistAuthorization: false })\n`

async function openPages(app: FastifyInstance) {
  const script = 'text/javascript; charset=utf-8'
  const swagger = (name: string) => openFile(app, new URL(name, import.meta.resolve('swagger-ui-dist/package.json')))
  return {
    '/docs': { type: 'text/html; charset=utf-8', read: async () => page },
    '/docs/start.js': { type: script, read: async () => start },
    '/docs/swagger-ui.css': { type: 'text/css; charset=utf-8', read: await swagger('swagger-ui.css') },
    '/docs/swagger-ui-bundle.js': { type: script, read: await swagger('swagger-ui-bundle.js') },
    '/docs/errors': {
      type: 'text/markdown; charset=utf-8',
      read: await openFile(app, new URL('../../../../docs/errors.md', import.meta.url)),
    },
  }
}

/** Opens a file until the service ends. Returns a function that reads the whole file. */
async function openFile(app: FastifyInstance, url: URL): Promise<() => Promise<Buffer>> {
  const file = await open(url)
  app.addHook('onClose', () => file.close())
  return async () => {
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0)
    return buffer.subarray(0, bytesRead)
  }
}
