import t from 'tap'
import { serviceCommand, startCommand } from '../../src/lifecycle/command.ts'

const files = { config: '/f/haproxy.cfg', pid: '/r/haproxy.pid' }

void t.test('startCommand() returns the command for the background', async (t) => {
  t.equal(
    startCommand('/usr/sbin/haproxy', files).join(' '),
    '/usr/sbin/haproxy -W -D -f /f/haproxy.cfg -p /r/haproxy.pid -L puppy',
  )
})

void t.test('serviceCommand() returns the command for the foreground, with a notification to systemd', async (t) => {
  t.equal(
    serviceCommand('/usr/sbin/haproxy', files).join(' '),
    '/usr/sbin/haproxy -Ws -f /f/haproxy.cfg -p /r/haproxy.pid -L puppy',
  )
})
