import t from 'tap'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { renderSysusers } from '../../src/pool/sysusers.ts'

void t.test('renderSysusers() renders a line for every group', (t) => {
  const text = `g puppy-tenants 9999
g p10000 10000
u p10000 10000:10000 "Puppy tenant" /home/p10000 /bin/bash
m p10000 puppy-tenants
`
  t.equal(renderSysusers(defaultLayout, [slotAt(defaultLayout, 0)], 9999), text)
  t.equal(renderSysusers(defaultLayout, []), 'g puppy-tenants -\n')
  t.end()
})
