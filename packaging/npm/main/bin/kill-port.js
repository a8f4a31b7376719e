#!/usr/bin/env node
'use strict'
// Becomes the command, or stands in for it: the same exit code, the same signals, nothing left behind.

const { accessSync, constants } = require('node:fs')
const { binary, environment } = require('../lib/binary.js')
const { translate } = require('../lib/translate.js')

main(translate(process.argv.slice(2)))

function main(args) {
  let file
  try {
    file = binary()
  } catch (error) {
    return fail(error.message)
  }
  // Node has no way back from an execve that fails, so that a file of somebody else is not tried.
  if (typeof process.execve === 'function' && process.platform !== 'win32' && !process.env.KILL_PORT_BINARY && isExecutable(file)) {
    process.execve(file, [file, ...args], environment())
  }
  require('../lib/stand-in.js').standIn(file, args, fail)
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The command was never run. */
function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
