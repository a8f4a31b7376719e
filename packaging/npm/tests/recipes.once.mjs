// What docs/npm.md and the guide show, run: their files in a project, with another port.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { FIXTURE, MAIN, PROJECT, VERSION, claim, folder, run, server, tool } from './world.mjs'

const documents = ['docs/npm.md', 'readme/en.md'].map(name => readFileSync(path.join(process.env.ROOT, name), 'utf8')).join('\n')

/** The blocks below a heading, up to the next one. */
function blocks(heading, language) {
  const section = documents.split(/^#+ /m).find(part => part.startsWith(`${heading}\n`))
  assert.ok(section, heading)
  return [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter(block => block[1] === language).map(block => block[2])
}

/** A project that has the packages and the files of these headings. */
async function project(t, ...headings) {
  const where = folder(t)
  const port = await claim(t)
  cpSync(path.join(PROJECT, 'node_modules'), path.join(where, 'node_modules'), { recursive: true, verbatimSymlinks: true })
  const write = (name, text) => writeFileSync(path.join(where, name), text.replaceAll('3000', port))
  for (const block of headings.flatMap(heading => blocks(heading, 'js'))) write(/^\/\/ (\S+)\n/.exec(block)[1], block)
  // What an earlier run left behind.
  const stale = await server(t, port, { cwd: where })
  return { where, port, stale, write }
}

const use = port => `
  const http = require('node:http')
  test('the port is ours', async () => {
    const server = http.createServer()
    await new Promise((resolve, reject) => server.on('error', reject).listen(${port}, resolve))
    await new Promise(resolve => server.close(resolve))
  })`

test('the example of the API', async t => {
  const { where, stale } = await project(t, 'The API')
  const { stdout, stderr } = await run(process.execPath, ['api.mjs'], { cwd: where })
  assert.equal(stdout, `node (PID ${stale.pid}): exited\n`, stderr)
})

test('the example of the guide', async t => {
  const { where, stale } = await project(t, 'How do I use it from Node or Python?')
  const { stdout, stderr } = await run(process.execPath, ['free.mjs'], { cwd: where })
  assert.equal(stdout, 'freed\n', stderr)
  await stale.ended
})

test('the example of errors', async t => {
  const { where, stale } = await project(t, 'Errors')
  const { code, stderr } = await run(process.execPath, ['errors.mjs'], { cwd: where })
  assert.equal(code, 0, stderr)
  await stale.ended
})

test('before the development server', async t => {
  const { where, stale, write, port } = await project(t)
  write('package.json', blocks('Before the development server', 'json')[0])
  write('server.js', `const server = require('node:http').createServer().listen(${port}, () => { console.log('up'); server.close() })`)
  const { code, stdout, stderr } = await run('npm', ['run', 'dev'], { cwd: where })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /^up$/m)
  await stale.ended
})

test('Jest', async t => {
  const jest = tool(t, 'jest', 'bin', 'jest.js')
  if (!jest) return
  const { where, stale, port } = await project(t, 'Jest')
  writeFileSync(path.join(where, 'port.test.js'), use(port))
  const { code, stdout, stderr } = await run(process.execPath, [jest, '--rootDir', where], { cwd: where })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stderr, /1 passed/)
  await stale.ended
})

/** With Playwright's runner; no browser is needed. */
async function withPlaywright(t, where) {
  const playwright = tool(t, '@playwright', 'test')
  if (!playwright) return false
  mkdirSync(path.join(where, 'node_modules', '@playwright'), { recursive: true })
  symlinkSync(playwright, path.join(where, 'node_modules', '@playwright', 'test'))
  mkdirSync(path.join(where, 'node_modules', '.bin'), { recursive: true })
  symlinkSync(path.join(playwright, 'cli.js'), path.join(where, 'node_modules', '.bin', 'playwright'))
  return true
}

test('Playwright, servers that tests start', async t => {
  const { where, stale, port } = await project(t, 'Playwright', 'Jest')
  if (!await withPlaywright(t, where)) return
  writeFileSync(path.join(where, 'port.spec.js'), `const { test } = require('@playwright/test')\n${use(port)}`)
  const { code, stdout, stderr } = await run('npx', ['--no-install', 'playwright', 'test'], { cwd: where })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /1 passed/)
  await stale.ended
})

test('Playwright, its own server', async t => {
  const { where, stale, write, port } = await project(t)
  if (!await withPlaywright(t, where)) return
  write('package.json', blocks('Playwright', 'json')[0])
  write('playwright.config.mjs', `export default { webServer: { command: 'node ${path.join(FIXTURE, 'server.js')} ${port} < /dev/zero', port: ${port} } }`)
  writeFileSync(path.join(where, 'port.spec.js'), `
    const { test, expect } = require('@playwright/test')
    test('it answers', async ({ request }) => { expect(await (await request.get('http://127.0.0.1:${port}/')).text()).toBe('here') })`)
  const { code, stdout, stderr } = await run('npm', ['test'], { cwd: where })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /1 passed/)
  await stale.ended
})

test('the version in the guide is this one', () => {
  assert.ok(blocks('In place of kill-port', 'json')[0].includes(`npm:${MAIN}@${VERSION}"`))
})
