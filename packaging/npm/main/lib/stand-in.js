'use strict'
// For a Node without execve, and for Windows.

const { spawn } = require('node:child_process')
const { constants: { signals } } = require('node:os')
const { isatty } = require('node:tty')
const { environment } = require('./binary.js')

const PASSED_ON = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM']
/** From a keyboard they go to the command as well, and twice means at once to it. */
const TYPED = ['SIGHUP', 'SIGINT', 'SIGQUIT']
const PATIENCE_MS = 500

/** Runs the command and ends as it ends. */
function standIn(file, args, fail) {
  const terminal = [0, 1, 2].some(descriptor => isatty(descriptor))
  const child = spawn(file, args, { stdio: 'inherit', env: environment() })
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      // A console of Windows tells everybody itself, and there is no other way to send one there.
      if (process.platform === 'win32') return
      if (terminal && TYPED.includes(signal)) setTimeout(() => child.kill(signal), PATIENCE_MS)
      else child.kill(signal)
    })
  }
  child.on('error', error => fail(`${file} can't be run: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(signal ? 128 + signals[signal] : code))
}

module.exports = { standIn }
