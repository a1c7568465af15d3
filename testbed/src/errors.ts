/** An error that ends a command of the testbed. The command prints its message without a stack. */
export class TestbedError extends Error {
  static {
    this.prototype.name = 'TestbedError'
  }
}
