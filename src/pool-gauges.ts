import type { Database } from '#db/pool.ts'
import { metrics } from '#metrics.ts'

/** Shows the connections of this process as they are at the moment. */
export function showPools({ app, system }: Database): void {
  const states = [app.state(), system.state()]
  metrics.poolConnections.set({ state: 'acquired' }, sum(states.map((state) => state.acquiredConnections)))
  metrics.poolConnections.set({ state: 'idle' }, sum(states.map((state) => state.idleConnections)))
  metrics.poolConnections.set({ state: 'pending' }, sum(states.map((state) => state.pendingConnections)))
  metrics.poolConnections.set({ state: 'waiting' }, sum(states.map((state) => state.waitingClients)))
}

const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0)
