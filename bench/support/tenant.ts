/** A tenant's smallest web server: `node tenant.ts PORT`. */
import { createServer } from 'node:http'

createServer((_request, response) => response.end('a page of a tenant\n')).listen(Number(process.argv[2]), '127.0.0.1')
