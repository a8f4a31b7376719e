#!/usr/bin/env node
'use strict'
// Becomes the command, or stands in for it: the same exit code, the same signals, nothing left behind.

const { accessSync, constants } = require('node:fs')
const { binary, environment } = require('../lib/binary.js')
const { translate } = require('../lib/translate.js')

/** The command was never run. */
function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}

let file
try {
  file = binary()
  // Node has no way back from an execve that fails.
  accessSync(file, constants.X_OK)
} catch (error) {
  fail(file ? `${file} can't be run: ${error.message}` : error.message)
}
const args = translate(process.argv.slice(2))

if (typeof process.execve === 'function' && process.platform !== 'win32') {
  process.execve(file, [file, ...args], environment())
} else {
  require('../lib/stand-in.js').standIn(file, args, fail)
}
