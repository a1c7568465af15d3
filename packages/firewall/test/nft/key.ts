import t from 'tap'
import { renderElement, renderKey } from '../../src/nft/key.ts'

void t.test('renderKey() renders keys in the syntax of nft', async (t) => {
  t.equal(renderKey([10_000, { range: [10_240, 10_247] }]), '10000 . 10240-10247')
  t.equal(renderKey([{ range: [80, 80] }]), renderKey([80]), 'a range of one value is that value')
  t.equal(renderKey([{ prefix: { addr: '10.0.0.0', len: 8 } }]), '10.0.0.0/8')
  t.equal(renderKey(['fd00::1']), 'fd00::1')
})

void t.test('renderElement() adds the target chain and omits counters', async (t) => {
  t.equal(renderElement({ key: [7], goto: 'open' }), '7 : goto open')
  t.equal(renderElement({ key: [7], counter: { packets: 1, bytes: 2 } }), '7')
})
