/** Waits for SIGINT or SIGTERM. Resolves with the first one; a second one ends the process at once. */
export function untilToldToEnd(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const told = (signal: NodeJS.Signals) => {
      process.removeListener('SIGINT', told)
      process.removeListener('SIGTERM', told)
      resolve(signal)
    }
    process.on('SIGINT', told)
    process.on('SIGTERM', told)
  })
}
