// The command as npm installs it, on every Node that can be had.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { FIXTURE, SHIM, VERSION, children, claim, folder, heeds, run, said, server, start } from './world.mjs'

const shim = (args, options) => run(process.execPath, [SHIM, ...args], options)
const becomesTheCommand = typeof process.execve === 'function'

test('it is the command of this version', async () => {
  const { stdout, stderr, code } = await shim(['--version'])
  assert.deepEqual([stdout, stderr, code], [`kill_port ${VERSION}\n`, '', 0])
})

test('exit codes are the command\'s', async t => {
  const port = await claim(t)
  assert.equal((await shim([port])).code, 0)
  assert.equal((await shim(['--fail-if-free', port])).code, 3)
  const wrong = await shim(['--forse', port])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--forse/)
  const own = createServer().listen(port)
  t.after(() => own.close())
  await once(own, 'listening')
  const spared = await shim([port])
  assert.equal(spared.code, 1)
  assert.match(spared.stderr, /help: /)
})

test('a server is ended', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const { stdout, code } = await shim([port])
  assert.equal(code, 0)
  assert.match(stdout, new RegExp(`^${port}: freed`))
  await held.ended
})

for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]]) {
  test(`${signal} ends it and leaves nothing behind`, async t => {
    const port = await claim(t)
    const held = await server(t, port, { manners: ['stubborn'] })
    const child = start(process.execPath, [SHIM, '--grace', '60s', port])
    await said(held, 'SIGTERM')
    const below = children(child.pid)
    assert.equal(below.length, becomesTheCommand ? 0 : 1)
    await heeds(below[0] ?? child.pid)
    child.kill(signal)
    const { code, stdout } = await child.result
    assert.equal(code, 128 + number, stdout)
    for (const pid of below) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    assert.equal(held.exitCode, null)
    assert.equal(held.signalCode, null)
  })
}

test('Ctrl-C on a terminal ends it', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['stubborn'] })
  const child = terminal([SHIM, '--color', 'never', '--grace', '60s', port])
  await said(held, 'SIGTERM')
  const [node] = children(child.pid)
  await heeds(children(node)[0] ?? node)
  child.stdin.write('\n')
  const { code, stdout } = await child.result
  assert.equal(code, 130, stdout)
  assert.match(stdout, new RegExp(`${port}: .*interrupt`, 'i'))
})

test('Ctrl-C on a terminal comes once, since twice means at once', async t => {
  const command = script(t, `exec ${process.execPath} -e '
    process.on("SIGINT", () => { console.log("SIGINT"); setTimeout(() => process.exit(5), 100) })
    setInterval(() => {}, 1000)
    console.log("ready")'`)
  const child = terminal([SHIM], { KILL_PORT_BINARY: command })
  await once(child.stdout, 'data')
  child.stdin.write('\n')
  const { code, stdout } = await child.result
  assert.equal(code, 5, stdout)
  assert.equal(stdout.match(/SIGINT/g).length, 1, stdout)
})

function terminal(args, env) {
  const command = [path.join(FIXTURE, 'terminal.py'), process.execPath, ...args]
  return start('python3', command, { env, stdio: ['pipe', 'pipe', 'pipe'] })
}

function script(t, text) {
  const file = path.join(folder(t), 'program')
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
  return file
}

test('a command that a signal ended looks as in a shell', async t => {
  const { code, signal } = await shim(['1'], { env: { KILL_PORT_BINARY: script(t, 'kill -KILL $$') } })
  assert.deepEqual([code, signal], [137, null])
})

test('another binary can be named, with any arguments', async t => {
  const { stdout, code } = await shim(['a b', '', '*', '--method', 'x'], { env: { KILL_PORT_BINARY: script(t, 'printf "<%s>" "$@"; exit 7') } })
  assert.equal(stdout, '<a b><><*><--method><x>')
  assert.equal(code, 7)
})

test('one that names the script itself is no loop', async () => {
  const { stdout } = await shim(['--version'], { env: { KILL_PORT_BINARY: SHIM } })
  assert.equal(stdout, `kill_port ${VERSION}\n`)
})

test('one that can not be run is said so', async () => {
  for (const file of ['/nonexistent/kill_port', '/etc', '/etc/passwd']) {
    const { stderr, code } = await shim(['1'], { env: { KILL_PORT_BINARY: file } })
    assert.match(stderr, new RegExp(`^error: ${file} can't be run: .+\n$`))
    assert.equal(code, 1)
  }
})

test('kill-port\'s options are understood', async t => {
  const [port, other] = [await claim(t), await claim(t)]
  const held = await server(t, port, { manners: ['udp'] })
  assert.match((await shim(['--method', 'tcp', '--port', port])).stdout, new RegExp(`^${port}/tcp: free already`))
  assert.match((await shim([port, '--method=udp', `--port=${other}`])).stdout, new RegExp(`${port}/udp: freed`))
  await held.ended
})
