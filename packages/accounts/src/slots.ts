/** `@puppy/accounts/slots`: what a slot's number says. Arithmetic only; it touches nothing. */
export { assertLayout, defaultLayout, slotAt, slotCount } from './layout.ts'
export type { Slot, SlotLayout } from './layout.ts'
