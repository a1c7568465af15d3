import type { Host } from '@puppy/host'
import { eventually, textOf, type Tenant } from './tenants.ts'

/**
 * A program of a tenant that runs the commands of a file, one after the other. The commands run where the program was started: in a session
 * of ssh or cron, or in a user service. So no session starts or ends during a measurement.
 */
const program = `import os,subprocess,sys,time
way=sys.argv[1]
def tell(name,text):
  open(name+'.now','w').write(text); os.rename(name+'.now',name)
tell(way+'.where',open('/proc/self/cgroup').read())
for turn in range(12000):
  try: line=open(way+'.todo').read(); os.unlink(way+'.todo')
  except OSError: time.sleep(.1); continue
  if line=='end': break
  done=subprocess.run(['/bin/sh','-c',line],stdout=subprocess.PIPE,stderr=subprocess.STDOUT,text=True)
  tell(way+'.done',str(done.returncode)+'\\n'+done.stdout)
`

/** The name of the program in the home of the tenant. */
export const runnerFile = 'runner.py'

export interface Runner {
  /** The group in which it runs: the line of `/proc/self/cgroup`. */
  readonly where: string
  /** Starts a command. */
  start(line: string): Promise<void>
  /** Waits for the command. Returns its exit code, a newline, and its output. */
  finished(timeout?: number): Promise<string>
  end(): Promise<void>
}

export async function installRunner(host: Host, { name, uid }: Tenant): Promise<void> {
  await host.replace(`/home/${name}/${runnerFile}`, program, { mode: 0o644, uid, gid: uid })
}

/** Waits for a runner that was started by `python3 runner.py WAY`. */
export async function openRunner(host: Host, { name, uid }: Tenant, way: string, timeout: number): Promise<Runner> {
  const file = (kind: string) => `/home/${name}/${way}.${kind}`
  const there = async (kind: string) => (await host.status(file(kind))) !== undefined
  const tell = (line: string) => host.replace(file('todo'), line, { mode: 0o644, uid, gid: uid })
  await eventually(() => there('where'), timeout)
  return {
    where: await textOf(host, file('where')),
    start: async (line) => {
      await host.remove(file('done'))
      await tell(line)
    },
    finished: async (patience = 120_000) => {
      await eventually(() => there('done'), patience)
      return textOf(host, file('done'))
    },
    end: async () => void (await tell('end')),
  }
}
