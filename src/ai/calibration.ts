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

/** By what each label's margin is multiplied, and what is added then. */
export interface Levels {
  slopes: number[]
  offsets: number[]
}

const [LEVEL_STEPS, LEVEL_RATE] = [200, 0.02]
const [MOMENTUM, SPREAD, TINY] = [0.9, 0.99, 1e-8]

/**
 * The levels under which the held-out labels are most likely at a temperature, from none at all on by steps of Adam; what
 * is said `beside` the margins stays as it is. One temperature for all says too little of labels that are unequally common.
 */
export function fitLevels(heldOut: readonly (HeldOut & { beside: number[] })[], temperature: number): Levels {
  const labels = heldOut[0]!.margins.length
  // Slopes first, then offsets.
  const values = new Float64Array(2 * labels).fill(1, 0, labels)
  const [mean, spread] = [new Float64Array(2 * labels), new Float64Array(2 * labels)]
  for (let step = 1; step <= LEVEL_STEPS; step += 1) {
    const slope = new Float64Array(2 * labels)
    for (const { margins, beside, truth } of heldOut) {
      const share = shares(
        margins.map((margin, label) => values[label]! * margin + values[labels + label]! + beside[label]!),
        temperature,
      )
      for (let label = 0; label < labels; label += 1) {
        const wrong = (share[label]! - (label === truth ? 1 : 0)) / heldOut.length
        slope[label]! += wrong * margins[label]!
        slope[labels + label]! += wrong
      }
    }
    for (let index = 0; index < values.length; index += 1) {
      mean[index]! += (1 - MOMENTUM) * (slope[index]! - mean[index]!)
      spread[index]! += (1 - SPREAD) * (slope[index]! ** 2 - spread[index]!)
      values[index]! -= (LEVEL_RATE * (mean[index]! / (1 - MOMENTUM ** step))) / (Math.sqrt(spread[index]! / (1 - SPREAD ** step)) + TINY)
    }
  }
  return { slopes: [...values.subarray(0, labels)], offsets: [...values.subarray(labels)] }
}

const MAX_NEWTON_STEPS = 30
const [HALVINGS, SETTLED, RIDGE] = [10, 1e-7, 1e-9]

/** How likely a label is that stands alone: the logistic function of its margin. */
export function ownShare(margin: number, { temperature, offset }: { temperature: number; offset: number }): number {
  return 1 / (1 + Math.exp(-(margin + offset) / temperature))
}

/** The temperature and offset under which held-out margins are most likely (Platt 1999, by damped Newton steps). */
export function fitOwnShares(judged: readonly { margin: number; right: boolean }[]): { temperature: number; offset: number } {
  const rights = judged.filter(({ right }) => right).length
  // Few rows must not make it sure: as if each side had been seen once more.
  const [high, low] = [(rights + 1) / (rights + 2), 1 / (judged.length - rights + 2)]
  const loss = (slope: number, level: number): number =>
    judged.reduce((sum, { margin, right }) => {
      const at = slope * margin + level
      return sum + Math.log1p(Math.exp(-Math.abs(at))) + Math.max(at, 0) - (right ? high : low) * at
    }, 0)
  let [slope, level] = [1, Math.log((rights + 1) / (judged.length - rights + 1))]
  let now = loss(slope, level)
  for (let step = 0; step < MAX_NEWTON_STEPS; step += 1) {
    let [g1, g2, h11, h12, h22] = [0, 0, RIDGE, 0, RIDGE]
    for (const { margin, right } of judged) {
      const share = 1 / (1 + Math.exp(-(slope * margin + level)))
      const [wrong, curve] = [share - (right ? high : low), share * (1 - share)]
      g1 += wrong * margin
      g2 += wrong
      h11 += curve * margin * margin
      h12 += curve * margin
      h22 += curve
    }
    const determinant = h11 * h22 - h12 * h12
    const [d1, d2] = [(h22 * g1 - h12 * g2) / determinant, (h11 * g2 - h12 * g1) / determinant]
    let size = 1
    let next = now
    for (let halving = 0; halving < HALVINGS; halving += 1, size /= 2) {
      next = loss(slope - size * d1, level - size * d2)
      if (next < now) break
    }
    if (!(next < now - SETTLED)) break
    ;[slope, level, now] = [slope - size * d1, level - size * d2, next]
  }
  // Margins that say nothing, or the contrary, leave the share that any label has.
  const temperature = 1 / Math.max(slope, 1 / HIGHEST)
  return { temperature, offset: level * temperature }
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
