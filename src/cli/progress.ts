/** How far something has come, on a terminal only. */
export interface Progress {
  add(count: number): void
  end(): void
}

/** Shows a bar on standard error where that is a terminal, and nothing elsewhere. */
export async function progress(title: string, total: number, show: boolean): Promise<Progress> {
  if (!show || !process.stderr.isTTY) return { add: () => {}, end: () => {} }
  const { SingleBar, Presets } = (await import('cli-progress')).default
  const bar = new SingleBar(
    { format: `${title} {bar} {value}/{total}  {percentage} %  {eta_formatted} left`, stream: process.stderr, hideCursor: true },
    Presets.shades_classic,
  )
  bar.start(total, 0)
  return { add: (count) => bar.increment(count), end: () => bar.stop() }
}
