'use strict'

/** What kill-port's command took and ours doesn't: `--method tcp`, `--method=udp`. */
function translate(args) {
  const translated = []
  for (let at = 0; at < args.length; at++) {
    if (args[at] === '--') return translated.concat(args.slice(at))
    const [, method] = /^--method=(tcp|udp)$/.exec(args[at]) ?? []
    if (method) {
      translated.push(`--${method}`)
    } else if (args[at] === '--method' && (args[at + 1] === 'tcp' || args[at + 1] === 'udp')) {
      translated.push(`--${args[++at]}`)
    } else {
      translated.push(args[at])
    }
  }
  return translated
}

module.exports = { translate }
