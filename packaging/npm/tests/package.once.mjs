// The packed files: what they have, and what the tools that check packages say.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { MAIN, PROJECT, TOOLS, folder, run, tool } from './world.mjs'

const { PACKAGES, VERSION, ROOT } = process.env
const packed = readdirSync(PACKAGES).filter(name => name.endsWith('.tgz'))
const main = packed.find(name => name === `${MAIN.replace('@', '').replace('/', '-')}-${VERSION}.tgz`)

test('there is a package for each machine, with the command and an exact version', () => {
  const { optionalDependencies, dependencies, scripts } = JSON.parse(readFileSync(path.join(PACKAGES, 'main', 'package.json')))
  assert.equal(dependencies, undefined)
  assert.equal(scripts, undefined)
  assert.equal(Object.keys(optionalDependencies).length, packed.length - 1)
  for (const [name, version] of Object.entries(optionalDependencies)) {
    assert.equal(version, VERSION)
    const own = JSON.parse(readFileSync(path.join(PACKAGES, name.slice(MAIN.length + 1), 'package.json')))
    assert.equal(own.name, name)
    assert.equal(own.version, VERSION)
    assert.equal(`${MAIN}-${own.os}-${own.cpu}`, name)
    assert.equal(own.scripts, undefined)
  }
})

test('publint has nothing to say', async t => {
  const publint = tool(t, 'publint')
  if (!publint) return
  const cli = path.join(publint, 'src', 'cli.js')
  for (const name of packed) {
    const { code, stdout, stderr } = await run(process.execPath, [cli, path.join(PACKAGES, name), '--strict'])
    assert.equal(code, 0, `${name}\n${stdout}${stderr}`)
  }
})

test('attw finds the types right for every way of resolving', async t => {
  const attw = tool(t, '@arethetypeswrong', 'cli', 'dist', 'index.js')
  if (!attw) return
  const { code, stdout, stderr } = await run(process.execPath, [attw, path.join(PACKAGES, main), '--no-emoji', '--no-color'])
  assert.equal(code, 0, stdout + stderr)
})

const GOOD = {
  'esm.mts': `
    import kill, { killPort, killPortSync, listPorts, whyPort, KillPortError, type Report, type Holder, type AbortError } from '${MAIN}'
    const report: Report = await killPort(3000)
    const many: Report = await killPort([3000, '53/udp'] as const, { grace: 5, signal: new AbortController().signal, killSignal: 'SIGINT', in: '.', include: ['ancestors'], containers: 'never' })
    const sync: Report = killPortSync('3000', { force: true })
    await listPorts(); await listPorts(undefined, { udp: true }); await whyPort(3000, { in: '.' })
    for (const holder of report.ports[0]!.holders) { const one: Holder = holder; const pid: number = one.pid; if (one.outcome === 'exited') console.log(pid) }
    const origin: string | undefined = report.ports[0]?.why?.provenance[0]?.origins[0]?.kind
    const result: { stdout: string, stderr: string, cmd: string, code: number } = await kill(3000, 'udp')
    try { await killPort(1) } catch (error) {
      if (error instanceof KillPortError) { const code: number | null = error.exitCode; const problem: string | undefined = error.report?.errors[0]?.message; console.log(code, problem) }
      const aborted = error as AbortError; console.log(aborted.code === 'ABORT_ERR')
    }
    console.log(many, sync, origin, result)`,
  'cjs.cts': `
    import kill = require('${MAIN}')
    import { killPort } from '${MAIN}'
    const report: Promise<kill.Report> = killPort(3000)
    const result: Promise<kill.Result> = kill('3000')
    const error: kill.KillPortError | undefined = undefined
    console.log(report, result, error, kill.listPorts())`,
  // As code is written for kill-port.
  'interop.ts': `
    import kill from '${MAIN}'
    kill(3000, 'tcp').then(console.log).catch(console.log)`
}
const BAD = {
  'verb.mts': `import { listPorts } from '${MAIN}'\nawait listPorts(1, { force: true })`,
  'option.mts': `import { killPort } from '${MAIN}'\nawait killPort(1, { forse: true })`,
  'sync.mts': `import { killPortSync } from '${MAIN}'\nkillPortSync(1, { signal: AbortSignal.abort() })`,
  'unit.mts': `import { killPort } from '${MAIN}'\nawait killPort(1, { grace: '5s' })`,
  'field.mts': `import { killPort } from '${MAIN}'\n;(await killPort(1)).ports[0]!.holder`
}

test('TypeScript takes what is right and refuses what is wrong', async t => {
  const tsc = tool(t, 'typescript', 'bin', 'tsc')
  const types = tool(t, '@types', 'node')
  if (!tsc || !types) return
  const where = folder(t)
  mkdirSync(path.join(where, 'node_modules', '@types'), { recursive: true })
  symlinkSync(types, path.join(where, 'node_modules', '@types', 'node'))
  symlinkSync(path.join(TOOLS, 'node_modules', 'undici-types'), path.join(where, 'node_modules', 'undici-types'))
  cpSync(path.join(PROJECT, 'node_modules', MAIN), path.join(where, 'node_modules', MAIN), { recursive: true })
  for (const [name, text] of Object.entries({ ...GOOD, ...BAD })) writeFileSync(path.join(where, name), text)
  const flags = ['--noEmit', '--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--target', 'es2022', '--types', 'node']
  const check = async (files, more) => {
    const { stdout } = await run(process.execPath, [tsc, ...flags, ...more, ...files], { cwd: where })
    return stdout
  }
  for (const module of [['--module', 'node16'], ['--module', 'nodenext']]) assert.equal(await check(Object.keys(GOOD), module), '')
  assert.equal(await check(['esm.mts', 'interop.ts'], ['--module', 'esnext', '--moduleResolution', 'bundler']), '')
  const refused = await check(Object.keys(BAD), ['--module', 'nodenext'])
  for (const name of Object.keys(BAD)) assert.match(refused, new RegExp(`^${name}\\(\\d+,\\d+\\): error TS`, 'm'), refused)
})

test('every field of the schema has a type', () => {
  const types = readFileSync(path.join(PROJECT, 'node_modules', MAIN, 'report.d.ts'), 'utf8')
  const fields = new Set()
  const collect = part => {
    if (part === null || typeof part !== 'object') return
    for (const name of Object.keys(part.properties ?? {})) fields.add(name)
    for (const inner of Object.values(part)) collect(inner)
  }
  collect(JSON.parse(readFileSync(path.join(ROOT, 'cli', 'schema.json'))))
  assert.ok(fields.size > 40)
  for (const field of fields) assert.match(types, new RegExp(`^ *${field}: `, 'm'))
})

test('every type of the report is one of the package', () => {
  const types = readFileSync(path.join(PROJECT, 'node_modules', MAIN, 'report.d.ts'), 'utf8')
  const [cjs, esm] = ['index.d.ts', 'index.d.mts'].map(name => readFileSync(path.join(PROJECT, 'node_modules', MAIN, name), 'utf8'))
  for (const [, name] of types.matchAll(/^export interface (\w+)/gm)) {
    assert.ok(cjs.includes(`type ${name} = report.${name}\n`), name)
    assert.match(esm, new RegExp(`\\b${name}\\b`))
  }
})
