import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * When a process began, in words that are the same each time one asks: a process number goes to another process one
 * day, a number and its beginning do not. Empty where there is no such process; a zombie holds nothing any more and
 * counts as none.
 */
export function bornAt(pid: number): string {
  const fields = statOf(pid)
  if (fields) return fields[0] === 'Z' ? '' : `${bootId()}/${fields[19]}`
  return hasProc() ? '' : ask(pid, 'lstart=')
}

/** Whether a process lives on. Where there is no /proc, its number alone is asked: that is cheap, and may be done often. */
export function isStill(pid: number, born: string): boolean {
  if (hasProc()) return bornAt(pid) === born
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The number of the process that started it; 0 where that cannot be known. */
export function parentOf(pid: number): number {
  const fields = statOf(pid)
  return Number(fields ? fields[1] : ask(pid, 'ppid='))
}

/** The name of its program, without the folder. */
export function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return hasProc() ? '' : ask(pid, 'comm=').replace(/^.*\//, '')
  }
}

/** The fields behind the name in /proc/PID/stat: state, parent, ..., the 20th is the start in ticks since the machine's. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

const hasProc = (): boolean => statOf(process.pid) !== null

function ask(pid: number, field: string): string {
  return spawnSync('ps', ['-o', field, '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? ''
}
