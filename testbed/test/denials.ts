import t from 'tap'
import { denialsSince, summarizeDenials } from '../src/denials.ts'

// grep -E 'AVC|LOGIN|SELINUX' /var/log/audit/audit.log on a Debian 13 guest, shortened
const log = `type=LOGIN msg=audit(1795268100.100:82): pid=578 uid=0 old-auid=4294967295 auid=0 res=1
type=AVC msg=audit(1795268104.865:115): avc:  denied  { search } for  pid=1870 comm="haproxy" name="vm" dev="proc" ino=4100 scontext=system_u:system_r:haproxy_t:s0 tcontext=system_u:object_r:sysctl_vm_t:s0 tclass=dir permissive=0
type=AVC msg=audit(1795268105.029:116): avc:  denied  { execmem } for  pid=1870 comm="haproxy" scontext=system_u:system_r:haproxy_t:s0 tcontext=system_u:system_r:haproxy_t:s0 tclass=process permissive=0
type=AVC msg=audit(1795268106.001:117): avc:  granted  { setsecparam } for  pid=1 comm="x" tclass=security
type=AVC msg=audit(1795268107.865:118): avc:  denied  { search } for  pid=1999 comm="haproxy" name="vm" dev="proc" ino=4100 scontext=system_u:system_r:haproxy_t:s0 tcontext=system_u:object_r:sysctl_vm_t:s0 tclass=dir permissive=0
type=SELINUX_ERR msg=audit(1795268108.000:119): op=security_compute_sid invalid_context="x"`

void t.test('denialsSince() returns the denials from a moment on', async (t) => {
  t.equal(denialsSince(log, 0).length, 4)
  t.equal(denialsSince(log, 1795268105).length, 3)
  t.strictSame(denialsSince(log, 1795268109), [])
})

void t.test('denialsSince() returns no line for invalid text', async (t) => {
  t.strictSame(denialsSince('type=AVC msg=audit(x): denied\n\0\u{1F600}', 0), [])
})

void t.test('summarizeDenials() counts equal denials of different processes together', async (t) => {
  t.strictSame(summarizeDenials(denialsSince(log, 0)), [
    '2 x "haproxy" search: system_u:system_r:haproxy_t:s0 on dir system_u:object_r:sysctl_vm_t:s0',
    '1 x "haproxy" execmem: system_u:system_r:haproxy_t:s0 on process system_u:system_r:haproxy_t:s0',
    '1 x type=SELINUX_ERR msg=audit(1795268108.000:119): op=security_compute_sid invalid_context="x"',
  ])
})
