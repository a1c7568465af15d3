import t from 'tap'
import { explain, type Explanation, type Question } from '../../src/rules/explain.ts'
import { cannotRun, createLab, joinLabs, type Actor } from '../support/lab.ts'
import { alice, api, bob, carol, dave, person, proxy, settings } from '../support/settings.ts'

const rows: readonly (readonly [question: Question, verdict: Explanation['verdict'], rule?: string])[] = [
  [{ direction: 'in', uid: 0, port: 10_240, protocol: 'tcp' }, 'drop', 'outside'],
  [{ direction: 'in', uid: 0, port: 22, protocol: 'tcp' }, 'accept'],
  [{ direction: 'answer', uid: alice, port: 10_240, protocol: 'tcp' }, 'accept', 'answer-own'],
  [{ direction: 'answer', uid: bob, port: 10_240, protocol: 'udp' }, 'drop', 'answer-squatter'],
  [{ direction: 'answer', uid: api, port: 8420, protocol: 'tcp' }, 'accept', 'guard-own'],
  [{ direction: 'answer', uid: bob, port: 8420, protocol: 'tcp' }, 'drop', 'guard-squatter'],
  [{ direction: 'answer', uid: bob, port: 8420, protocol: 'udp' }, 'accept'],
  [{ direction: 'out', uid: proxy, port: 10_240, protocol: 'tcp' }, 'accept', 'reach-caller'],
  [{ direction: 'out', uid: alice, port: 10_240, protocol: 'tcp' }, 'accept', 'reach-own'],
  [{ direction: 'out', uid: bob, port: 10_240, protocol: 'udp', address: '::1' }, 'reject', 'reach-other'],
  [{ direction: 'out', uid: bob, port: 10_240, protocol: 'tcp', address: '10.77.0.9' }, 'accept', 'egress'],
  [{ direction: 'out', uid: alice, port: 53, protocol: 'udp', address: '168.63.129.16' }, 'accept'],
  [{ direction: 'out', uid: dave, port: 53, protocol: 'udp', address: '168.63.129.16' }, 'reject', 'egress-local'],
  [{ direction: 'answer', uid: 'none', port: 10_240, protocol: 'tcp' }, 'drop', 'answer-cookie'],
  [{ direction: 'answer', uid: 'none', port: 10_240, protocol: 'udp' }, 'drop', 'answer-unjudged-udp'],
  [{ direction: 'answer', uid: 'none', port: 8420, protocol: 'tcp' }, 'drop', 'guard-cookie'],
  [{ direction: 'answer', uid: 'none', port: 8420, protocol: 'udp' }, 'accept'],
  [{ direction: 'answer', uid: 'none', port: 443, protocol: 'tcp' }, 'accept'],
  [{ direction: 'out', uid: 'none', port: 10_240, protocol: 'tcp' }, 'reject', 'reach-unjudged-tcp'],
  [{ direction: 'out', uid: 'none', port: 10_240, protocol: 'udp' }, 'reject', 'reach-unjudged-udp'],
  [{ direction: 'out', uid: 'none', port: 10_240, protocol: 'tcp', address: '10.77.0.9' }, 'accept'],
  [
    { direction: 'out', uid: 'none', port: 80, protocol: 'tcp', address: '169.254.169.254' },
    'reject',
    'unjudged-metadata',
  ],
  [{ direction: 'out', uid: 'none', port: 53, protocol: 'tcp', address: '168.63.129.16' }, 'accept'],
]
for (const [question, verdict, rule] of rows) {
  void t.test(`explain() ${JSON.stringify(question)}`, async (t) => {
    const explained = explain(settings, question)
    t.equal(explained.verdict, verdict)
    t.equal(explained.rule, rule)
    t.ok(explained.why.length > 10, explained.why)
  })
}

const hostAddresses = ['10.77.0.1', 'fd77::1']
const verdicts: Readonly<Record<string, Explanation['verdict']>> = { ECONNREFUSED: 'reject', timeout: 'drop' }

void t.test('explain() returns the verdict of the kernel', { skip: cannotRun }, async (t) => {
  const [lab, there] = [await createLab(t), await createLab(t)]
  await joinLabs(lab, there)
  const server = await there.actor(0)
  const ports = [22, 25, 80, 443, 5432, 10_240]
  for (const port of ports) await server.serve('::', port)
  const actors = new Map<number, Actor>()
  for (const uid of [0, proxy, person, alice, bob, carol, dave]) actors.set(uid, await lab.actor(uid))
  const owner = actors.get(alice) as Actor
  for (const port of [10_240, 25, 40_000]) await (port === 10_240 ? owner : (actors.get(0) as Actor)).serve('::', port)
  await actors.get(bob)?.serve('::', 10_241)
  await lab.firewall.ensure(settings)
  const compare = async (actor: Actor, question: Question, verdict: Explanation['verdict']) => {
    // Only a dropped packet takes the whole time.
    const wait = verdict === 'drop' ? 250 : 5000
    const { result } = await actor.tell({ do: 'connect', host: question.address ?? '', port: question.port, wait })
    const seen = verdicts[result] ?? 'accept'
    if (seen !== verdict) t.fail(`${JSON.stringify(question)}: explained ${verdict}, was ${seen} (${result})`)
  }
  let compared = 0
  for (const [uid, actor] of actors) {
    for (const address of [
      '127.0.0.1',
      '::1',
      ...hostAddresses,
      '10.77.0.2',
      'fd77::2',
      '169.254.169.254',
      'fd00:ec2::254',
    ]) {
      const local = address.startsWith('127') || address === '::1' || hostAddresses.includes(address)
      for (const port of local ? [25, 10_240, 40_000] : ports) {
        const question = { direction: 'out', uid, address, port, protocol: 'tcp', hostAddresses } as const
        await compare(actor, question, explain(settings, question).verdict)
        compared += 1
      }
    }
  }
  const squatted = explain(settings, { direction: 'answer', uid: bob, port: 10_241, protocol: 'tcp' }).verdict
  const question = { direction: 'out', uid: proxy, address: '127.0.0.1', port: 10_241, protocol: 'tcp' } as const
  await compare(actors.get(proxy) as Actor, question, squatted)
  for (const [port, address] of [
    [10_240, '10.77.0.1'],
    [40_000, 'fd77::1'],
  ] as const) {
    const inbound = { direction: 'in', uid: 0, address, port, protocol: 'tcp' } as const
    await compare(server, inbound, explain(settings, inbound).verdict)
  }
  t.comment(`${compared + 3} packets compared`)
  t.ok(compared > 200)
})
