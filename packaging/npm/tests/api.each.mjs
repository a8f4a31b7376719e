// The API, on every Node that can be had.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { createRequire } from 'node:module'
import { children, claim, folder, gone, heeds, imported, required, run, said, server, SHIM, start } from './world.mjs'

const { killPort, killPortSync, listPorts, whyPort, KillPortError } = required

/** What a call rejects with. */
async function rejection(promise) {
  const report = await promise.then(value => ({ value }), error => ({ error }))
  assert.ok(report.error, `resolved with ${JSON.stringify(report.value)}`)
  return report.error
}

test('import and require give the same', () => {
  assert.equal(imported.default, required)
  for (const name of ['killPort', 'killPortSync', 'listPorts', 'whyPort', 'KillPortError']) {
    assert.equal(typeof required[name], 'function', name)
    assert.equal(imported[name], required[name], name)
  }
})

test('a port is freed, and the report says how', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const report = await killPort(port)
  assert.equal(report.schema_version, 1)
  assert.equal(report.ports[0].port, port)
  assert.equal(report.ports[0].outcome, 'freed')
  assert.equal(report.ports[0].holders[0].pid, held.pid)
  assert.deepEqual(report.ports[0].holders[0].signals, ['TERM'])
  assert.equal(await held.ended, 'SIGTERM')
})

test('a port that is free resolves, unless that is a failure', async t => {
  const port = await claim(t)
  assert.equal((await killPort(port)).ports[0].outcome, 'already_free')
  assert.equal(killPortSync(port).ports[0].outcome, 'already_free')
  const error = await rejection(killPort(port, { failIfFree: true }))
  assert.ok(error instanceof KillPortError)
  assert.equal(error.exitCode, 3)
  assert.equal(error.report.ports[0].outcome, 'already_free')
})

test('several are freed, numbers and texts', async t => {
  const ports = [await claim(t), await claim(t)]
  const [web, dns] = [await server(t, ports[0]), await server(t, ports[1], { manners: ['udp'] })]
  const report = await killPort([ports[0], `${ports[1]}/udp`])
  assert.deepEqual(report.ports.map(port => [port.port, port.protocol, port.outcome]),
    [[ports[0], null, 'freed'], [ports[1], 'udp', 'freed']])
  await Promise.all([web.ended, dns.ended])
})

test('without a promise it is the same', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  assert.equal(killPortSync([port]).ports[0].outcome, 'freed')
  await held.ended
})

test('a port of the caller itself is not freed, and the error says why and what next', async t => {
  const port = await claim(t)
  const own = createServer().listen(port)
  t.after(() => own.close())
  await once(own, 'listening')
  const error = await rejection(killPort(port))
  assert.equal(error.name, 'KillPortError')
  assert.equal(error.exitCode, 1)
  assert.match(error.message, new RegExp(`^${port}: .+\n  help: .+`))
  assert.equal(error.report.ports[0].outcome, 'still_held')
  assert.equal(error.report.ports[0].holders[0].pid, process.pid)
  assert.throws(() => killPortSync(port), { name: 'KillPortError', exitCode: 1 })
})

test('grace is in milliseconds, and SIGKILL follows', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['stubborn'] })
  const report = await killPort(port, { grace: 50 })
  assert.deepEqual(report.ports[0].holders[0].signals, ['TERM', 'KILL'])
  assert.equal(await held.ended, 'SIGKILL')
})

test('the first signal can be chosen, and nobody who does not obey is killed if that is asked for', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['stubborn'] })
  const error = await rejection(killPort(port, { grace: 50, noEscalate: true }))
  assert.equal(error.report.ports[0].holders[0].outcome, 'survived')
  const report = await killPort(port, { killSignal: 'SIGINT' })
  assert.deepEqual(report.ports[0].holders[0].signals, ['INT'])
  assert.equal(await held.ended, 'SIGINT')
  const other = await server(t, port, { manners: ['stubborn'] })
  await assert.rejects(killPort(port, { killSignal: 15, grace: 50, noEscalate: true }), { exitCode: 1 })
  await killPort(port, { force: true })
  assert.equal(await other.ended, 'SIGKILL')
})

test('only who works in a folder is ended', async t => {
  const port = await claim(t)
  const [here, there] = [folder(t), folder(t)]
  const held = await server(t, port, { cwd: here })
  const error = await rejection(killPort(port, { in: there }))
  assert.equal(error.report.ports[0].holders[0].reason, 'outside')
  await killPort(port, { in: here, containers: 'never', include: ['editors', 'forwarders'] })
  await held.ended
})

test('one protocol', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  assert.equal((await killPort(port, { udp: true })).ports[0].outcome, 'already_free')
  assert.equal((await killPort(port, { tcp: true })).ports[0].outcome, 'freed')
  await held.ended
})

test('a dry run ends nobody', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  assert.equal((await killPort(port, { dryRun: true })).ports[0].outcome, 'would_free')
  assert.equal(held.exitCode, null)
  await killPort(port)
})

test('who listens is listed, on one port or on all', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const one = await listPorts(port)
  assert.equal(one.ports[0].outcome, 'held')
  assert.equal(one.ports[0].holders[0].pid, held.pid)
  const all = await listPorts()
  assert.ok(all.ports.some(listed => listed.port === port))
  assert.ok((await listPorts(undefined, { tcp: true })).ports.some(listed => listed.port === port))
})

test('a port is explained', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const { ports: [explained] } = await whyPort(port)
  assert.equal(explained.why.would_be_freed, true)
  assert.equal(explained.why.provenance[0].pid, held.pid)
})

test('an abort interrupts the command, and what was sent is in the report', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['stubborn'] })
  const controller = new AbortController()
  const freeing = rejection(killPort(port, { grace: 60_000, signal: controller.signal }))
  await said(held, 'SIGTERM')
  const programs = children(process.pid).filter(pid => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'kill_port\n')
  assert.equal(programs.length, 1)
  await heeds(programs[0])
  controller.abort(new Error('enough'))
  const error = await freeing
  assert.equal(error.name, 'AbortError')
  assert.equal(error.code, 'ABORT_ERR')
  assert.equal(error.cause.message, 'enough')
  assert.equal(error.report.ports[0].errors[0].kind, 'cancelled')
  assert.deepEqual(error.report.ports[0].holders[0].signals, ['TERM'])
  assert.equal(held.exitCode, null)
  assert.equal(held.signalCode, null)
})

test('an abort before the call runs nothing', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const error = await rejection(killPort(port, { signal: AbortSignal.abort() }))
  assert.equal(error.name, 'AbortError')
  assert.equal(held.exitCode, null)
})

test('an abort after the answer changes nothing', async t => {
  const controller = new AbortController()
  const report = await killPort(await claim(t), { signal: controller.signal })
  controller.abort()
  assert.equal(report.ports[0].outcome, 'already_free')
})

test('a caller that exits in the midst interrupts the command', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['stubborn'] })
  const program = `require(${JSON.stringify(path.dirname(path.dirname(SHIM)))}).killPort(${port}, { grace: 60_000 }); process.stdin.on('data', () => process.exit(7))`
  const caller = start(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'pipe'] })
  await said(held, 'SIGTERM')
  const [command] = children(caller.pid)
  await heeds(command)
  const ended = once(caller, 'exit')
  caller.stdin.write('x')
  assert.deepEqual(await ended, [7, null])
  await gone(command)
  assert.equal(held.exitCode, null)
  assert.equal(held.signalCode, null)
})

test('a call that makes no sense runs nothing and says so', async () => {
  for (const wrong of [
    () => killPort(), () => killPort([]), () => killPort(0), () => killPort(65536), () => killPort(1.5), () => killPort(null), () => killPort(''),
    () => killPort(1, 'tcp'), () => killPort(1, null), () => killPort(1, { forse: true }), () => killPort(1, { force: 1 }),
    () => killPort(1, { grace: '5s' }), () => killPort(1, { grace: -1 }), () => killPort(1, { grace: Infinity }), () => killPort(1, { in: 5 }), () => killPort(1, { include: [null] }),
    () => killPort(1, { signal: 'SIGINT' }), () => listPorts([]), () => whyPort(), async () => killPortSync(1, { signal: AbortSignal.abort() })
  ]) {
    const error = await rejection(wrong())
    assert.ok(error instanceof TypeError, `${wrong}: ${error}`)
  }
})

test('what only the command can judge comes back as its words', async () => {
  for (const [port, options] of [['frontend'], ['--list'], [1, { killSignal: 'SIGNONE' }], [1, { tcp: true, udp: true }]]) {
    const error = await rejection(killPort(port, options))
    assert.equal(error.name, 'KillPortError')
    assert.equal(error.exitCode, 2)
    assert.equal(error.report, null)
    assert.ok(error.message && !error.message.startsWith('error: '), error.message)
  }
})

test('every option of the command is one of the API or not for programs', async () => {
  const { commandLine } = createRequire(SHIM)('../lib/arguments.js')
  const ours = { killSignal: 'x', force: true, grace: 1, noEscalate: true, settle: 1, tcp: true, udp: true, tree: true, supervisor: true, in: 'x', include: 'x', connections: true, containers: 'x', dryRun: true, failIfFree: true }
  assert.deepEqual(commandLine(['--why'], [1, '2/udp'], { grace: 50, settle: 1e-6, include: ['a', 'b'], in: '-x', killSignal: 2, force: false, tcp: undefined }),
    ['--why', '--json', '--grace=50.000000ms', '--settle=0.000001ms', '--include=a', '--include=b', '--in=-x', '--signal=2', '--', '1', '2/udp'])
  const spelled = commandLine([], [1], ours).filter(word => word.startsWith('--')).map(word => word.split('=')[0])
  const forPeople = ['--interactive', '--list', '--why', '--json', '--quiet', '--verbose', '--color', '--completions', '--man', '--help', '--version']
  const { stdout } = await run(process.execPath, [SHIM, '--help'])
  const theirs = stdout.split('\n').map(line => /^\s+(?:-\w, )?(--[a-z-]+)/.exec(line)?.[1]).filter(Boolean)
  assert.ok(theirs.length > 20, stdout)
  for (const option of spelled) if (option !== '--json' && option !== '--') assert.ok(theirs.includes(option), `the command has no ${option}`)
  const missing = theirs.filter(option => !spelled.includes(option) && !forPeople.includes(option))
  if (missing.length > 0) console.error(`note: not in the API: ${missing.join(' ')}`)
})

test('a command that can not be run or gives no answer is an error', async t => {
  t.after(() => delete process.env.KILL_PORT_BINARY)
  for (const [binary, exitCode, expected] of [
    ['/nonexistent', null, /^\/nonexistent can't be run: .*ENOENT/],
    ['/bin/true', 0, /^\/bin\/true exited with 0 and gave no answer$/]
  ]) {
    process.env.KILL_PORT_BINARY = binary
    for (const call of [() => killPort(1), async () => killPortSync(1)]) {
      const error = await rejection(call())
      assert.deepEqual([error.name, error.exitCode, error.report], ['KillPortError', exitCode, null])
      assert.match(error.message, expected)
    }
  }
})
