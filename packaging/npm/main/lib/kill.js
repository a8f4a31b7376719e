'use strict'
// What kill-port 2.0.1 exports, and true.

const { run, failure } = require('./run.js')
const { KillPortError } = require('./errors.js')

/** Whoever calls it expects an end at once: hooks of test runners have five seconds. */
const GRACE = '2s'

/** Frees the port for one protocol. Resolves with what the command printed; rejects with one of kill-port's two messages, or with the reason why the port is still in use. */
async function kill(port, method = 'tcp') {
  const number = Number.parseInt(port)
  if (!(number >= 1 && number <= 65535)) throw new KillPortError('Invalid port number provided')
  const args = ['--json', '--fail-if-free', '--grace', GRACE, `${number}/${method === 'udp' ? 'udp' : 'tcp'}`]
  const ended = await run(args)
  if (ended.code === 0) {
    const { file, stdout, stderr, code } = ended
    return { stdout, stderr, cmd: [file, ...args].join(' '), code }
  }
  const error = failure(ended)
  if (ended.code === 3) error.message = 'No process running on port'
  throw error
}

module.exports = kill
