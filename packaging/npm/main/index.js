'use strict'

const kill = require('./lib/kill.js')
const { commandLine, some, object } = require('./lib/arguments.js')
const { run, runSync, answer } = require('./lib/run.js')
const { KillPortError } = require('./lib/errors.js')

async function killPort(targets, options) {
  return ask([], some(targets), options)
}

function killPortSync(targets, options = {}) {
  return answer(runSync(commandLine([], some(targets), options)))
}

async function listPorts(targets, options) {
  return ask(['--list'], targets === undefined ? [] : some(targets), options)
}

async function whyPort(targets, options) {
  return ask(['--why'], some(targets), options)
}

async function ask(verb, targets, options = {}) {
  const { signal, ...others } = object(options)
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') throw new TypeError('signal is an AbortSignal')
  return answer(await run(commandLine(verb, targets, others), signal))
}

// The function that kill-port exports is this package's; everything else hangs on it.
module.exports = Object.assign(kill, { killPort, killPortSync, listPorts, whyPort, KillPortError })
