import { randomUUID } from 'node:crypto'
import type { AnySchema } from 'ajv'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Dependencies } from './dependencies.ts'
import { limitConnections } from './connections.ts'
import { authPlugin } from './plugins/auth.ts'
import { answerBadPath, answerBadRequest, errorsPlugin } from './plugins/errors.ts'
import { openapiPlugin } from './plugins/openapi.ts'
import { createSerializer } from './plugins/serialization.ts'
import { createValidator } from './plugins/validation.ts'
import { accountRoutes } from './routes/accounts.ts'
import { domainRoutes } from './routes/domains.ts'
import { healthRoutes } from './routes/health.ts'
import { hostRoutes } from './routes/hosts.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { planRoutes } from './routes/plans.ts'
import { namedSchemas } from './schemas/resources.ts'

const requestId = /^[A-Za-z0-9._:-]{1,128}$/

/** Creates the service, ready for requests. It does not listen yet. */
export async function createApp(
  dependencies: Dependencies,
  options: Pick<FastifyServerOptions, 'logger'> = {},
): Promise<FastifyInstance> {
  const app = Fastify({
    // A busy machine loads the modules of a plugin for longer than the default of ten seconds.
    pluginTimeout: 120_000,
    ...options,
    // The routes of accounts allow more. @see routes/accounts.ts
    bodyLimit: 16 * 1024,
    requestTimeout: 30_000,
    // A connection that sends no complete header is closed after this time, at the next check.
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 5000 },
    keepAliveTimeout: 10_000,
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: (error, request, reply) => void answerBadPath(error, request, reply),
    clientErrorHandler: answerBadRequest,
    genReqId: ({ headers }) => {
      const given = headers['request-id']
      return typeof given === 'string' && requestId.test(given) ? given : randomUUID()
    },
  })
  limitConnections(app.server)
  app.setValidatorCompiler<AnySchema>(createValidator(namedSchemas))
  app.setSerializerCompiler(createSerializer(namedSchemas))
  app.removeContentTypeParser('text/plain')
  // The media type of RFC 7396. PATCH treats a body of type application/json in the same way.
  app.addContentTypeParser(
    'application/merge-patch+json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  )
  app.addHook('onRequest', async (request, reply) => void reply.header('request-id', request.id))
  for (const schema of namedSchemas) app.addSchema(schema)
  await app.register(errorsPlugin)
  await app.register(authPlugin, { database: dependencies.database })
  await app.register(openapiPlugin)
  await app.register(healthRoutes, dependencies)
  await app.register(metricsRoutes, dependencies)
  await app.register(planRoutes, dependencies)
  await app.register(accountRoutes, dependencies)
  await app.register(domainRoutes, dependencies)
  await app.register(hostRoutes, dependencies)
  await app.ready()
  return app
}
