'use strict'
// Runs the command, and tells what it answered.

const { spawn, spawnSync } = require('node:child_process')
const { binary, environment } = require('./binary.js')
const { KillPortError, abortError } = require('./errors.js')

/** Who ends in the midst interrupts what it has started: nobody is there to hear the answer, and more signals would come as a surprise. */
const interrupts = new Set()
const interruptAll = () => interrupts.forEach(interrupt => interrupt())

/** Resolves with how the command ended: `{ file, code, signal, stdout, stderr }`. Rejects if it could not be run, or was aborted. */
function run(args, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal))
    const file = find()
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment(), windowsHide: true })
    // As Ctrl-C does: it tidies up, and says what it has done.
    const interrupt = () => child.kill('SIGINT')
    signal?.addEventListener('abort', interrupt)
    if (interrupts.size === 0) process.on('exit', interruptAll)
    interrupts.add(interrupt)
    const forget = () => {
      signal?.removeEventListener('abort', interrupt)
      interrupts.delete(interrupt)
      if (interrupts.size === 0) process.off('exit', interruptAll)
    }
    const ended = { file, stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', text => { ended[name] += text })
    }
    child.on('error', error => {
      forget()
      reject(notRun(file, error))
    })
    child.on('close', (code, killedBy) => {
      forget()
      Object.assign(ended, { code, signal: killedBy })
      if (signal?.aborted) reject(abortError(signal, reportIn(ended)))
      else resolve(ended)
    })
  })
}

function runSync(args) {
  const file = find()
  const options = { stdio: ['ignore', 'pipe', 'pipe'], env: environment(), windowsHide: true, encoding: 'utf8', maxBuffer: Infinity }
  const { error, status, signal, stdout, stderr } = spawnSync(file, args, options)
  if (error) throw notRun(file, error)
  return { file, code: status, signal, stdout, stderr }
}

function find() {
  try {
    return binary()
  } catch (error) {
    throw new KillPortError(error.message, { cause: error })
  }
}

function notRun(file, error) {
  return new KillPortError(`${file} can't be run: ${error.message}`, { cause: error })
}

/** The report of a command that was content; throws a KillPortError otherwise. */
function answer(ended) {
  const report = reportIn(ended)
  if (ended.code === 0 && report) return report
  throw failure(ended, report)
}

function failure(ended, report = reportIn(ended)) {
  return new KillPortError(message(ended, report), { report, exitCode: ended.code })
}

function message({ file, code, signal, stderr }, report) {
  const said = stderr.trim().replace(/^error: /, '')
  if (report) {
    if (code === 3) return 'nothing held any of the ports'
    const lines = [
      ...report.ports.flatMap(port => port.errors.map(error => line(error, `${port.port}: `))),
      ...report.errors.map(error => line(error, ''))
    ]
    if (lines.length > 0) return lines.join('\n')
    const held = report.ports.filter(port => !['freed', 'already_free', 'would_free'].includes(port.outcome))
    if (held.length > 0) return held.map(port => `${port.port}: ${port.outcome}`).join('\n')
  }
  if (signal) return `${file} was ended by ${signal}`
  return said || `${file} exited with ${code} and gave no answer`
}

/** As the command prints it: who and why, then what next. */
function line({ message, help }, whose) {
  return `${whose}${message}${help ? `\n  help: ${help}` : ''}`
}

function reportIn({ stdout }) {
  try {
    const report = JSON.parse(stdout)
    return Array.isArray(report?.ports) && Array.isArray(report.errors) ? report : null
  } catch {
    return null
  }
}

module.exports = { run, runSync, answer, failure }
