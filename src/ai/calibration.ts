/** Shares of each label: the softmax of the margins, sharpened or flattened by `temperature`. */
export function shares(margins: readonly number[], temperature: number): number[] {
  const highest = Math.max(...margins)
  const powers = margins.map((margin) => Math.exp((margin - highest) / temperature))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}

/** A text that the model did not learn from: its margins and the index of its true label (-1 where the model has no such label). */
export interface HeldOut {
  margins: number[]
  truth: number
}

const LOWEST = 0.02
const HIGHEST = 2
const STEPS = 40

/** The temperature under which the held-out labels are most likely, on a grid of equal ratios, and how unlikely they are then. */
export function fitTemperature(heldOut: readonly HeldOut[]): { temperature: number; loss: number } {
  let best = { temperature: 1, loss: Number.POSITIVE_INFINITY }
  for (let step = 0; step <= STEPS; step += 1) {
    const temperature = LOWEST * (HIGHEST / LOWEST) ** (step / STEPS)
    let loss = 0
    for (const { margins, truth } of heldOut) loss -= truth < 0 ? 0 : Math.log(Math.max(shares(margins, temperature)[truth]!, 1e-9))
    if (loss < best.loss) best = { temperature, loss }
  }
  return best
}

/** One judged answer: how sure the model was, and whether it was right. */
export interface Judged {
  confidence: number
  right: boolean
}

/** Expected calibration error over ten equal bins: the mean distance between how sure and how right. */
export function calibrationError(judged: readonly Judged[]): number {
  const BINS = 10
  let error = 0
  for (let bin = 0; bin < BINS; bin += 1) {
    const inBin = judged.filter(({ confidence }) => Math.min(BINS - 1, Math.floor(confidence * BINS)) === bin)
    if (inBin.length === 0) continue
    const sure = inBin.reduce((sum, { confidence }) => sum + confidence, 0)
    const right = inBin.filter((one) => one.right).length
    error += Math.abs(sure - right) / judged.length
  }
  return error
}
