/** Resolves with the first signal that asks us to end; a second one ends the process at once. */
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
