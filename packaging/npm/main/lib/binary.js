'use strict'
// Where the command is: in the package for this machine, or where KILL_PORT_BINARY says.

const path = require('node:path')
const { main, programs } = require('./programs.json')

/** Throws an Error that says what to do if there is none. */
function binary() {
  const named = process.env.KILL_PORT_BINARY
  if (named) return path.resolve(named)
  const machine = `${process.platform}-${process.arch}`
  const program = programs[machine]
  if (!program) {
    const known = Object.keys(programs).join(', ')
    throw new Error(`${main} has no command for ${machine}, only for ${known}; ` +
      'build it from source and set KILL_PORT_BINARY to its path')
  }
  const found = resolve(program)
  if (found) return found
  const name = path.posix.dirname(program)
  const other = Object.keys(programs).find(other => resolve(programs[other]))
  throw new Error(other
    ? `${name} is not installed, but the one for ${other} is: node_modules came from another machine; install again on this one`
    : `${name} is not installed; it is an optional dependency of ${main} and has its command. ` +
      'Install again without --omit=optional, or with a new lock file if that was written on another machine; ' +
      'or set KILL_PORT_BINARY to the path of a kill_port')
}

function resolve(program) {
  try {
    return require.resolve(program)
  } catch {
    return null
  }
}

/** The environment of the command. Should KILL_PORT_BINARY name this package's own script, it finds the command the next time. */
function environment() {
  const { KILL_PORT_BINARY, ...rest } = process.env
  return rest
}

module.exports = { binary, environment }
