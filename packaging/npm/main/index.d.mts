export { default, killPort, killPortSync, listPorts, whyPort, KillPortError } from './index.js'
export type {
  AbortError, Result, Target, Abortable, ListOptions, WhyOptions, KillOptions, Spared,
  Report, Port, Holder, Socket, Hidden, Container, Supervisor, Parent, Why, Problem
} from './index.js'
