// kill-port's own tests, against our default export.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { PROJECT, MAIN, claim, folder, run, tool } from './world.mjs'

/** The file as it is, but for the port: 9999 may be somebody's. `mend` changes it. */
async function suite(t, mend = text => text) {
  const original = tool(t, 'kill-port', 'test.js')
  const jest = tool(t, 'jest', 'bin', 'jest.js')
  if (!original || !jest) return
  const where = folder(t)
  const text = readFileSync(original, 'utf8')
  const port = await claim(t)
  writeFileSync(path.join(where, 'kill.test.js'), mend(text.replaceAll('9999', port)))
  writeFileSync(path.join(where, 'index.js'), `module.exports = require(${JSON.stringify(path.join(PROJECT, 'node_modules', MAIN))})`)
  writeFileSync(path.join(where, 'package.json'), '{}')
  const { code, stdout, stderr } = await run(process.execPath, [jest, '--env=node', '--rootDir', where], { cwd: where })
  assert.equal(code, 0, stdout + stderr)
  assert.match(stderr, /Tests: +3 passed, 3 total/)
}

test('they pass', t => suite(t))

// As they are, two of the three don't wait for what they expect, and would pass whatever came of it.
test('they pass if they wait for what they expect', t => suite(t, text => {
  const mended = text.replaceAll(/\(\) => \{\n(\s+)expect\(kill\(/g, 'async () => {\n$1await expect(kill(')
  assert.equal(mended.match(/await expect/g)?.length, 2)
  return mended
}))
