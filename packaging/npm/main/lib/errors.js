'use strict'

/** The command ended with another exit code than 0, or could not be run. */
class KillPortError extends Error {
  constructor(message, { report = null, exitCode = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'KillPortError'
    this.report = report
    this.exitCode = exitCode
  }
}

/** What an AbortSignal's user expects. The signals that were sent before stay sent; the report, if it came to one, has them. */
function abortError(signal, report = null) {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  error.code = 'ABORT_ERR'
  error.report = report
  return error
}

module.exports = { KillPortError, abortError }
