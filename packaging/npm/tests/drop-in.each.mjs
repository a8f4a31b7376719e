// The default export is kill-port's, on every Node that can be had.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { claim, required as kill, said, server } from './world.mjs'

test('a server is ended, and the result has kill-port\'s shape', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const result = await kill(port, 'tcp')
  assert.deepEqual(Object.keys(result).sort(), ['cmd', 'code', 'stderr', 'stdout'])
  assert.equal(result.code, 0)
  assert.equal(result.stderr, '')
  assert.ok(result.cmd.includes(`${port}/tcp`))
  assert.equal(JSON.parse(result.stdout).ports[0].outcome, 'freed')
  assert.equal(await held.ended, 'SIGTERM')
})

test('the port may be a text, and the method is tcp unless it is udp', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['udp'] })
  await assert.rejects(kill(String(port)), { message: 'No process running on port' })
  await kill(`${port}`, 'udp')
  await held.ended
})

test('its two messages', async t => {
  const port = await claim(t)
  await assert.rejects(kill(port), { name: 'KillPortError', message: 'No process running on port', exitCode: 3 })
  for (const wrong of [undefined, null, 0, '', 'frontend', NaN, -1, 65536]) {
    await assert.rejects(kill(wrong), { message: 'Invalid port number provided' })
  }
})

test('one that ignores SIGTERM is ended soon', async t => {
  const port = await claim(t)
  const held = await server(t, port, { manners: ['stubborn'] })
  const killed = kill(port)
  await said(held, 'SIGTERM')
  assert.ok((await killed).cmd.includes('--grace 2s'))
  assert.equal(await held.ended, 'SIGKILL')
})

test('it never says killed while the server lives', async t => {
  const port = await claim(t)
  const own = createServer().listen(port)
  t.after(() => own.close())
  await once(own, 'listening')
  await assert.rejects(kill(port), error => {
    assert.equal(error.exitCode, 1)
    assert.match(error.message, /help: /)
    assert.equal(error.report.ports[0].outcome, 'still_held')
    return true
  })
})
