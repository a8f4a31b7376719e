// What the tests share: a project with the packed packages, ports, servers.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** A folder where npm has installed the packages; one with the tools, some of which may be missing; one for what a test makes. */
export const { PROJECT, TOOLS, SCRATCH, MAIN, VERSION } = process.env
export const FIXTURE = fileURLToPath(new URL('fixture/', import.meta.url))
export const SHIM = path.join(PROJECT, 'node_modules', MAIN, 'bin', 'kill-port.js')
/** What `require` and what `import` find in the project. */
export const required = createRequire(path.join(PROJECT, 'x.js'))(MAIN)
export const imported = await import(pathToFileURL(path.join(PROJECT, 'node_modules', MAIN, 'index.mjs')))

/** Where a tool is, or null: the test is skipped then, and says so. */
export function tool(t, ...names) {
  const found = path.join(TOOLS, 'node_modules', ...names)
  if (existsSync(found)) return found
  skip(t, `${names.join('/')} could not be fetched`)
  return null
}

export function skip(t, why) {
  console.error(`SKIPPED: ${t.name}: ${why}`)
  t.skip(why)
}

/** The Nodes that could be had, by name. */
export function nodes() {
  const found = { [process.version]: process.execPath }
  for (const major of [18, 22, 24]) {
    const file = path.join(TOOLS, 'node_modules', `node-${major}`, 'bin', 'node')
    if (existsSync(file)) found[`v${major}`] = file
  }
  return found
}

export function folder(t) {
  const made = mkdtempSync(path.join(SCRATCH, 'test-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** A port that no other test of this repository takes as long as this one runs. */
export async function claim(t) {
  const holder = spawn('python3', [path.join(FIXTURE, 'claim.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => holder.stdin.end())
  return Number(await line(holder))
}

/** A server that is up. It ends with the test. */
export async function server(t, port, { manners = [], cwd = SCRATCH } = {}) {
  const child = spawn(process.execPath, [path.join(FIXTURE, 'server.js'), port, ...manners], { cwd, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {})
  t.after(() => child.kill('SIGKILL'))
  child.ended = once(child, 'exit').then(([code, signal]) => signal ?? code)
  child.says = lines(child)
  await said(child, 'ready')
  return child
}

/** Until the server has said this. */
export async function said(child, wanted) {
  for (;;) {
    const { value, done } = await child.says.next()
    if (done) throw new Error(`ended before it said ${wanted}`)
    if (value === wanted) return
  }
}

export function children(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** Until this process, which has to be the command, ends tidily when a signal comes. Before it has waited for a while, a signal just ends it. */
export async function heeds(pid) {
  const SIGINT = 1n << 1n
  for (;;) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const [, name] = /^Name:\s(.*)$/m.exec(status)
    const [, caught] = /^SigCgt:\s(.*)$/m.exec(status)
    if (name === 'kill_port' && BigInt(`0x${caught}`) & SIGINT) return
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Until a process has ended that is no child of ours. */
export async function gone(pid) {
  while (existsSync(`/proc/${pid}/exe`)) await new Promise(resolve => setTimeout(resolve, 5))
}

function lines(child) {
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]()
}

async function line(child) {
  return (await lines(child).next()).value
}

/** Runs a program to its end: `{ code, signal, stdout, stderr }`. */
export async function run(file, args, options = {}) {
  const child = start(file, args, options)
  return child.result
}

export function start(file, args, { env, ...options } = {}) {
  const child = spawn(file, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, timeout: 120_000, killSignal: 'SIGKILL', ...options })
  const result = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', text => { result[name] += text })
  child.result = once(child, 'close').then(([code, signal]) => ({ ...result, code, signal }))
  return child
}
