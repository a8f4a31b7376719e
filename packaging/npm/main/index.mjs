import kill from './index.js'

export default kill
export const { killPort, killPortSync, listPorts, whyPort, KillPortError } = kill
