import t from 'tap'
import { serviceCommand, startCommand } from '../../src/lifecycle/command.ts'

const files = { config: '/f/haproxy.cfg', pid: '/r/haproxy.pid' }

void t.test('startCommand() is what an operator would type', async (t) => {
  t.equal(
    startCommand('/usr/sbin/haproxy', files).join(' '),
    '/usr/sbin/haproxy -W -D -f /f/haproxy.cfg -p /r/haproxy.pid -L puppy',
  )
})

void t.test('serviceCommand() stays in the foreground and tells systemd', async (t) => {
  t.equal(
    serviceCommand('/usr/sbin/haproxy', files).join(' '),
    '/usr/sbin/haproxy -Ws -f /f/haproxy.cfg -p /r/haproxy.pid -L puppy',
  )
})
