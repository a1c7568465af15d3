// Gives a TCP port a type of its own, in the machine's policy or in the one below a folder, and says what is there then. Needs root.
import { createHost } from '@puppy/host'
import { openPolicy, renderRecords } from '@puppy/selinux'

const [port = '14000', root = '/'] = process.argv.slice(2)
const policy = openPolicy(createHost({ root }))
const label = renderRecords({ ports: [{ protocol: 'tcp', first: Number(port), type: 'my_port_t' }] })
const type = '(type my_port_t) (roletype object_r my_port_t) (typeattributeset port_type (my_port_t))\n'
const { changed } = await policy.ensure({ modules: { my_port: type + label } })
console.log(changed ? 'labelled' : 'was labelled already', (await policy.read()).modules)
