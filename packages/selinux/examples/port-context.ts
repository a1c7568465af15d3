// Sets a type of its own for a TCP port, in the machine's policy or in the one below a folder, and prints the modules. Needs root.
import { createHost } from '@puppy/host'
import { openPolicy } from '@puppy/selinux'
import { renderRecords } from '@puppy/selinux/cil'

const [port = '14000', root = '/'] = process.argv.slice(2)
const policy = openPolicy(createHost({ root }))
const record = renderRecords({ ports: [{ protocol: 'tcp', first: Number(port), type: 'my_port_t' }] })
const type = '(type my_port_t) (roletype object_r my_port_t) (typeattributeset port_type (my_port_t))\n'
const { changed, results } = await policy.ensure({ modules: { my_port: type + record } })
for (const { error } of results) if (error !== undefined) throw error
console.log(changed ? 'changed' : 'as before', (await policy.read()).modules)
