/** What stops a command of the testbed: one line for a person, who needs no stack. */
export class TestbedError extends Error {
  static {
    this.prototype.name = 'TestbedError'
  }
}
