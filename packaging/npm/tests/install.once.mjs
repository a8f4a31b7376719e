// What people do: install with their package manager, and use it.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { MAIN, VERSION, claim, folder, nodes, run, server, tool } from './world.mjs'

const ALIAS = `npm:${MAIN}@${VERSION}`
/** Somebody's project: it uses the package, and a package that depends on kill-port. */
const manifest = more => ({ private: true, dependencies: { [MAIN]: VERSION, somebody: '1.0.0' }, ...more })

function project(t, content, files = {}) {
  const made = folder(t)
  for (const [name, text] of Object.entries({ 'package.json': JSON.stringify(content), ...files })) writeFileSync(path.join(made, name), text)
  return made
}

async function ok(file, args, options) {
  const result = await run(file, args, options)
  assert.equal(result.code, 0, `${file} ${args.join(' ')}\n${result.stdout}${result.stderr}`)
  return result.stdout.trim()
}

/** With each Node: the API by both doors, and somebody's kill-port. `flags` are what Node needs to find the packages. */
async function use(t, where, flags = []) {
  const program = `
    const { killPort } = require('${MAIN}')
    const kill = require('somebody')
    const [port, other] = process.argv.slice(1).map(Number)
    import('${MAIN}').then(async ({ killPort: imported }) => {
      const report = await killPort(port)
      const result = await kill(other)
      const again = await kill(other).catch(error => error.message)
      console.log(JSON.stringify([imported === killPort, report.ports[0].outcome, result.code, again]))
    })`
  for (const [version, node] of Object.entries(nodes())) {
    const ports = [await claim(t), await claim(t)]
    const servers = [await server(t, ports[0]), await server(t, ports[1])]
    const said = await ok(node, [...flags, '-e', program, ...ports], { cwd: where })
    assert.deepEqual(JSON.parse(said), [true, 'freed', 0, 'No process running on port'], version)
    for (const held of servers) await held.ended
  }
}

test('npm installs it', async t => {
  const where = project(t, manifest({ overrides: { 'kill-port': ALIAS } }))
  await ok('npm', ['install'], { cwd: where })
  await use(t, where)
  for (const bin of ['kill-port', 'kill_port']) assert.equal(await ok('npx', ['--no-install', bin, '--version'], { cwd: where }), `kill_port ${VERSION}`)
})

test('npm installs it for all projects, and removes it', async t => {
  const [prefix, port] = [folder(t), await claim(t)]
  const held = await server(t, port)
  await ok('npm', ['install', '--global', '--prefix', prefix, MAIN])
  assert.match(await ok(path.join(prefix, 'bin', 'kill_port'), [port]), new RegExp(`^${port}: freed`))
  await held.ended
  await ok('npm', ['uninstall', '--global', '--prefix', prefix, MAIN])
  assert.deepEqual(readdirSync(path.join(prefix, 'bin')), [])
})

test('npx runs it where nothing is installed', async t => {
  const port = await claim(t)
  const held = await server(t, port)
  const said = await ok('npx', ['--yes', MAIN, port], { cwd: folder(t) })
  assert.match(said, new RegExp(`^${port}: freed`))
  await held.ended
})

test('pnpm installs it', async t => {
  const pnpm = tool(t, 'pnpm', 'bin', 'pnpm.cjs')
  if (!pnpm) return
  const where = project(t, manifest({ pnpm: { overrides: { 'kill-port': ALIAS } } }))
  await ok(process.execPath, [pnpm, 'install', '--store-dir', path.join(where, 'store')], { cwd: where })
  await use(t, where)
  assert.equal(await ok(process.execPath, [pnpm, 'exec', 'kill-port', '--version'], { cwd: where }), `kill_port ${VERSION}`)
})

test('Yarn 1 installs it', async t => {
  const yarn = tool(t, 'yarn', 'bin', 'yarn.js')
  if (!yarn) return
  const where = project(t, manifest({ resolutions: { 'kill-port': ALIAS } }))
  const registry = ['--registry', process.env.REGISTRY, '--cache-folder', path.join(where, 'cache')]
  await ok(process.execPath, [yarn, 'install', '--non-interactive', ...registry], { cwd: where })
  await use(t, where)
  assert.equal(await ok(process.execPath, [yarn, '--silent', 'kill-port', '--version'], { cwd: where }), `kill_port ${VERSION}`)
})

test('Yarn 4 installs it without node_modules', async t => {
  const yarn = tool(t, 'yarn-4', 'bin', 'yarn.js')
  if (!yarn) return
  const where = project(t, manifest({ resolutions: { 'kill-port': ALIAS } }), {
    '.yarnrc.yml': [
      `npmRegistryServer: "${process.env.REGISTRY}"`, 'unsafeHttpWhitelist: ["127.0.0.1"]', 'nodeLinker: pnp', 'pnpEnableEsmLoader: true', 'enableGlobalCache: false',
      'enableTelemetry: false', 'enableImmutableInstalls: false', ''
    ].join('\n'),
    'yarn.lock': ''
  })
  await ok(process.execPath, [yarn, 'install'], { cwd: where })
  await use(t, where, ['-r', './.pnp.cjs', '--loader', './.pnp.loader.mjs', '--no-warnings'])
  assert.equal(await ok(process.execPath, [yarn, 'kill-port', '--version'], { cwd: where }), `kill_port ${VERSION}`)
})

test('without the optional package the error says what to do', async t => {
  const where = project(t, { private: true, dependencies: { [MAIN]: VERSION } })
  await ok('npm', ['install', '--omit=optional'], { cwd: where })
  const { code, stderr } = await run('npx', ['--no-install', 'kill-port', '1'], { cwd: where })
  assert.equal(code, 1)
  assert.match(stderr, /^error: .+ is not installed; .+--omit=optional.+KILL_PORT_BINARY/m)
  const said = await ok(process.execPath, ['-e', `require('${MAIN}').killPort(1).catch(error => console.log(error.name, error.message))`], { cwd: where })
  assert.match(said, /^KillPortError .+ is not installed; .+--omit=optional/)
})

test('with the package of another machine the error says so', async t => {
  const where = project(t, { private: true, dependencies: { [MAIN]: VERSION } })
  await ok('npm', ['install', '--omit=optional'], { cwd: where })
  const other = path.join(where, 'node_modules', `${MAIN}-plan9-mips`)
  mkdirSync(other)
  writeFileSync(path.join(other, 'kill_port'), '')
  const programs = path.join(where, 'node_modules', MAIN, 'lib', 'programs.json')
  writeFileSync(programs, JSON.stringify({ main: MAIN, programs: { [`${process.platform}-${process.arch}`]: `${MAIN}-x/kill_port`, 'plan9-mips': `${MAIN}-plan9-mips/kill_port` } }))
  const { stderr } = await run('npx', ['--no-install', 'kill-port', '1'], { cwd: where })
  assert.match(stderr, /the one for plan9-mips is: node_modules came from another machine/)
  writeFileSync(programs, JSON.stringify({ main: MAIN, programs: { 'plan9-mips': 'x/kill_port' } }))
  const unknown = await run('npx', ['--no-install', 'kill-port', '1'], { cwd: where })
  assert.match(unknown.stderr, /has no command for .+, only for plan9-mips; .+KILL_PORT_BINARY/)
})
