'use strict'
// A call becomes a command line.

const FLAGS = {
  force: '--force',
  noEscalate: '--no-escalate',
  tcp: '--tcp',
  udp: '--udp',
  tree: '--tree',
  supervisor: '--supervisor',
  connections: '--connections',
  dryRun: '--dry-run',
  failIfFree: '--fail-if-free'
}
const MILLISECONDS = { grace: '--grace', settle: '--settle' }
const WORDS = { killSignal: '--signal', in: '--in', include: '--include', containers: '--containers' }

/** Throws a TypeError for what can't be said to the command. Whether the options fit each other is for the command to say. */
function commandLine(verb, targets, options) {
  // The first may be a target that looks like an option.
  return [...verb, '--json', ...Object.entries(object(options)).flatMap(option), '--', ...targets.map(target)]
}

/** One target or several, at least one. */
function some(targets) {
  const list = Array.isArray(targets) ? targets : [targets]
  if (list.length === 0) throw new TypeError('no port is named')
  return list
}

function target(value) {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535) return String(value)
  if (typeof value === 'string' && value.trim() !== '') return value
  throw new TypeError(`a port is a number from 1 to 65535 or a text such as '53/udp', not ${show(value)}`)
}

function object(options) {
  if (options === null || typeof options !== 'object') throw new TypeError(`options are an object, not ${show(options)}`)
  return options
}

function option([name, value]) {
  if (value === undefined) return []
  if (Object.hasOwn(FLAGS, name)) {
    if (typeof value !== 'boolean') throw new TypeError(`${name} is true or false, not ${show(value)}`)
    return value ? [FLAGS[name]] : []
  }
  if (Object.hasOwn(MILLISECONDS, name)) {
    if (!Number.isFinite(value) || value < 0) throw new TypeError(`${name} is a number of milliseconds, not ${show(value)}`)
    // The command reads no exponent.
    return [`${MILLISECONDS[name]}=${value.toFixed(6)}ms`]
  }
  if (Object.hasOwn(WORDS, name)) {
    return (Array.isArray(value) ? value : [value]).map(word => {
      if (typeof word !== 'string' && !(name === 'killSignal' && typeof word === 'number')) {
        throw new TypeError(`${name} can't be ${show(word)}`)
      }
      return `${WORDS[name]}=${word}`
    })
  }
  throw new TypeError(`there is no option ${show(name)}`)
}

function show(value) {
  return typeof value === 'string' ? `'${value}'` : typeof value === 'object' && value !== null ? 'an object' : String(value)
}

module.exports = { commandLine, some, object }
