/** Lines of an audit log: `ausearch --input-logs -m AVC` on Debian 13 (Linux 6.12), 2026-11-21. */
export const lines: readonly string[] = [
  'type=AVC msg=audit(1795289967.943:4477): avc:  denied  { getattr } for  pid=635 comm="systemctl" path="cgroup:[4026531835]" dev="nsfs" ino=4026531835 scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:nsfs_t:s0 tclass=file permissive=0',
  'type=AVC msg=audit(1795290001.779:4516): avc:  denied  { read write } for  pid=732 comm="sh" path=2F746D702F233438202864656C6574656429 dev="tmpfs" ino=48 scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:crond_tmp_t:s0 tclass=file permissive=0',
  'type=AVC msg=audit(1795290002.000:4517): avc:  denied  { name_bind } for  pid=9 comm="MainThread" src=15000 scontext=puppy_u:user_r:user_t:s0:c0,c2 tcontext=system_u:object_r:puppy_port_t:s0:c0.c1023 tclass=tcp_socket permissive=1',
  'type=AVC msg=audit(1795291726.994:1530): avc:  denied  { relabelfrom } for  pid=599 comm="semodule" name="default" dev="vda" ino=133388 scontext=unconfined_u:unconfined_r:semanage_t:s0-s0:c0.c1023 tcontext=unconfined_u:object_r:semanage_store_t:s0 tclass=dir permissive=0',
]
