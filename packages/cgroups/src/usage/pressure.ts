/** A share of time, in percent, over the last 10, 60 and 300 seconds. `total` is in microseconds. */
export interface PressureShare {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly total: bigint
}

/** The time in which some, or all, tasks of a group had to wait. */
export interface Pressure {
  readonly some?: PressureShare
  readonly full?: PressureShare
}

/**
 * Parses a pressure file. A line of another form is an absent key.
 *
 * ```text
 * some avg10=0.16 avg60=0.07 avg300=0.01 total=62374
 * full avg10=0.05 avg60=0.02 avg300=0.00 total=35718
 * ```
 *
 * @see "PSI - Pressure Stall Information" in the kernel's documentation
 */
export function parsePressure(text: string): Pressure {
  const shares: { some?: PressureShare; full?: PressureShare } = {}
  for (const line of text.split('\n')) {
    const [, kind, ten, sixty, all, total] = share.exec(line.trim()) ?? []
    if (total === undefined) continue
    shares[kind as 'some'] = { avg10: Number(ten), avg60: Number(sixty), avg300: Number(all), total: BigInt(total) }
  }
  return shares
}

const share =
  /^(some|full) avg10=(\d{1,3}\.\d{1,9}) avg60=(\d{1,3}\.\d{1,9}) avg300=(\d{1,3}\.\d{1,9}) total=(\d{1,20})$/
