import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))
/** More than DRAIN_MS by default. */
const DRAIN_PATIENCE_MS = 20_000

/** A worker process that fell silent because it was killed or stopped, and when. */
export interface Silence {
  pid: number
  how: 'kill' | 'stop'
  at: number
}

interface Slot {
  child: ChildProcess | null
  stopped: boolean
}

/** The worker processes of a run, and what was done to them. */
export class Fleet {
  readonly #url: string
  readonly #logFile: string
  readonly #slots: Slot[]
  readonly silences: Silence[] = []
  starts = 0
  /** Deaths that nobody brought about. */
  ownDeaths = 0

  constructor(url: string, size: number, logFile: string) {
    this.#url = url
    this.#logFile = logFile
    this.#slots = Array.from({ length: size }, () => ({ child: null, stopped: false }))
  }

  get size(): number {
    return this.#slots.length
  }

  /** The slots whose worker runs. */
  get running(): number[] {
    return [...this.#slots.keys()].filter((index) => this.#slots[index]!.child && !this.#slots[index]!.stopped)
  }

  /** Fills a slot that has no worker. */
  start(index: number): void {
    const slot = this.#slots[index]!
    if (slot.child) return
    const log = openSync(this.#logFile, 'a')
    const child = fork(WORKER, [this.#url], { stdio: ['ignore', 'ignore', log, 'ipc'] })
    closeSync(log)
    this.starts += 1
    Object.assign(slot, { child, stopped: false })
    child.once('exit', () => {
      if (slot.child !== child) return
      this.ownDeaths += 1
      slot.child = null
      this.start(index)
    })
  }

  kill(index: number): void {
    const slot = this.#slots[index]!
    const { child } = slot
    slot.child = null
    this.#silence(child, 'kill')
    child?.kill('SIGKILL')
  }

  stop(index: number): void {
    const slot = this.#slots[index]!
    slot.stopped = true
    this.#silence(slot.child, 'stop')
    slot.child?.kill('SIGSTOP')
  }

  goOn(index: number): void {
    const slot = this.#slots[index]!
    slot.stopped = false
    slot.child?.kill('SIGCONT')
  }

  /** SIGTERM for all. @returns how many did not end by themselves and with code 0 */
  async drain(): Promise<number> {
    const codes = await Promise.all(this.#slots.map((slot) => this.#end(slot)))
    return codes.filter((code) => code !== 0).length
  }

  async #end(slot: Slot): Promise<number | null> {
    const { child } = slot
    slot.child = null
    if (!child) return 0
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), DRAIN_PATIENCE_MS)
    const code = await ended
    clearTimeout(patience)
    return code
  }

  #silence(child: ChildProcess | null, how: Silence['how']): void {
    if (child?.pid) this.silences.push({ pid: child.pid, how, at: Date.now() })
  }
}
