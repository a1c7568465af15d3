import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

const description = `One Linux machine, or a few, as boutique multi-tenant hosting. Writes are wishes: PUT says what is to be, by name, as often as you like;
the answer says whether the host has made it so (\`ready\`, \`conditions\`). Every error is an application/problem+json with a stable \`code\`.`

/** The document at /openapi.json and a page to read it at /docs. Everything is in memory: after root is dropped nothing is read. */
export const openapiPlugin = fastifyPlugin(
  async (app: FastifyInstance) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Puppy', version: '1.0.0', description, license: { name: 'MIT', identifier: 'MIT' } },
        servers: [{ url: '/', description: 'This host.' }],
        security: [{ key: [] }],
        tags: ['accounts', 'domains', 'plans', 'hosts', 'health'].map((name) => ({
          name,
          description: `Routes about ${name}.`,
        })),
        components: {
          securitySchemes: {
            key: { type: 'http', scheme: 'bearer', description: 'A key of the form puppy_<id>_<secret>.' },
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
    for (const [path, { type, body }] of readPages()) {
      app.get(path, hidden, async (_request, reply) =>
        reply.type(type).header('cache-control', 'max-age=3600').send(body),
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

function readPages() {
  const file = (name: string) =>
    readFileSync(new URL(name, import.meta.resolve('swagger-ui-dist/package.json')), 'utf8')
  const errors = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8')
  return new Map([
    ['/docs', { type: 'text/html; charset=utf-8', body: page }],
    ['/docs/start.js', { type: 'text/javascript; charset=utf-8', body: start }],
    ['/docs/swagger-ui.css', { type: 'text/css; charset=utf-8', body: file('swagger-ui.css') }],
    ['/docs/swagger-ui-bundle.js', { type: 'text/javascript; charset=utf-8', body: file('swagger-ui-bundle.js') }],
    ['/docs/errors', { type: 'text/markdown; charset=utf-8', body: errors }],
  ])
}
