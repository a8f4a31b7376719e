import type * as report from './report'

/**
 * What kill-port 2.0.1 exports: frees the port for one protocol.
 *
 * Resolves with what the command printed once the port can be bound. Rejects with `No process running on port`,
 * `Invalid port number provided`, or the reason why the port is still in use.
 */
declare function kill(port: number | string, method?: 'tcp' | 'udp'): Promise<kill.Result>

declare namespace kill {
  /** Frees ports: resolves once all of them can be bound, also if nobody held them. Rejects with a `KillPortError`. */
  function killPort(targets: Target | readonly Target[], options?: KillOptions & Abortable): Promise<Report>

  /** The same, and blocks until then. */
  function killPortSync(targets: Target | readonly Target[], options?: KillOptions): Report

  /** Who listens: on all ports if none is named. */
  function listPorts(targets?: Target | readonly Target[], options?: ListOptions & Abortable): Promise<Report>

  /** Who holds ports, where they come from, what a kill would do, or why the ports can't be bound. */
  function whyPort(targets: Target | readonly Target[], options?: WhyOptions & Abortable): Promise<Report>

  /** The command ended with another exit code than 0, or could not be run. */
  class KillPortError extends Error {
    constructor(message: string, more?: { report?: Report | null; exitCode?: number | null; cause?: unknown })
    readonly name: 'KillPortError'
    /** What the command answered; null where it did not come to an answer. */
    readonly report: Report | null
    /** 1: a port is still in use; 2: the call makes no sense; 3: nothing held the ports, with `failIfFree`. */
    readonly exitCode: number | null
  }

  /** What a call rejects with after its `signal` was aborted. Not a class of this package: compare `name`. */
  interface AbortError extends Error {
    name: 'AbortError'
    code: 'ABORT_ERR'
    /** What was done until then, where the command came to an answer. */
    report: Report | null
  }

  /** What the default export resolves with. */
  interface Result {
    stdout: string
    stderr: string
    cmd: string
    code: number
  }

  /** A port, or a text as the command takes it: `'53/udp'`, `'3000-3010'`, `'127.0.0.1:8080'`, `'http://localhost:3000/'`. */
  type Target = number | string

  interface Abortable {
    /** Interrupts the command. The signals that it sent before stay sent. */
    signal?: AbortSignal | undefined
  }

  interface ListOptions {
    /** TCP only. */
    tcp?: boolean | undefined
    /** UDP only. */
    udp?: boolean | undefined
    /** Whether engines are asked about containers that publish a port. */
    containers?: 'auto' | 'never' | 'only' | undefined
    /** Reject if nothing held any of the ports. */
    failIfFree?: boolean | undefined
  }

  interface WhyOptions extends ListOptions {
    /** Ends only who works in this folder or below. */
    in?: string | undefined
  }

  interface KillOptions extends WhyOptions {
    /** The first signal: SIGTERM if none is named. */
    killSignal?: 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGQUIT' | 'SIGABRT' | 'SIGUSR1' | 'SIGUSR2' | 'SIGKILL' | (string & {}) | number | undefined
    /** SIGKILL at once. */
    force?: boolean | undefined
    /** How long before SIGKILL, in milliseconds: 10000 if it isn't said. */
    grace?: number | undefined
    /** Never SIGKILL. */
    noEscalate?: boolean | undefined
    /** How long a port has to stay free where something may start the server again, in milliseconds. */
    settle?: number | undefined
    /** End all descendants of the holders, too. */
    tree?: boolean | undefined
    /** End a watcher, too, or a parent that was seen to start them again. */
    supervisor?: boolean | undefined
    /** End those, too, who are spared otherwise. */
    include?: Spared | readonly Spared[] | undefined
    /** End clients whose local port it is, too. */
    connections?: boolean | undefined
    /** Signal nobody; the report says who would be, and a port that would not be freed rejects. */
    dryRun?: boolean | undefined
  }

  type Spared = 'ancestors' | 'editors' | 'forwarders' | (string & {})

  type Report = report.Report
  type Port = report.Port
  type Holder = report.Holder
  type Socket = report.Socket
  type Hidden = report.Hidden
  type Container = report.Container
  type Supervisor = report.Supervisor
  type Parent = report.Parent
  type Why = report.Why
  type Problem = report.Problem
}

export = kill
