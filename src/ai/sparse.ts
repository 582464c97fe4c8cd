/** A text as weights of a vocabulary's columns; columns it does not have are zero. */
export interface SparseVector {
  columns: Int32Array
  weights: Float32Array
}

/** Many of them, one behind the other: row r lies from `starts[r]` to `starts[r + 1]`. */
export interface SparseRows extends SparseVector {
  starts: Int32Array
  /** How many columns there are, whether or not a row has them. */
  size: number
}

export function rowCount(rows: SparseRows): number {
  return rows.starts.length - 1
}

/** One of the rows, without a copy. */
export function rowAt({ starts, columns, weights }: SparseRows, row: number): SparseVector {
  return { columns: columns.subarray(starts[row], starts[row + 1]), weights: weights.subarray(starts[row], starts[row + 1]) }
}

/** Some of the rows, copied. */
export function selectedRows({ starts, columns, weights, size }: SparseRows, rows: readonly number[]): SparseRows {
  const begins = new Int32Array(rows.length + 1)
  for (const [index, row] of rows.entries()) begins[index + 1] = begins[index]! + starts[row + 1]! - starts[row]!
  const chosen = { starts: begins, columns: new Int32Array(begins.at(-1)!), weights: new Float32Array(begins.at(-1)!), size }
  for (const [index, row] of rows.entries()) {
    chosen.columns.set(columns.subarray(starts[row], starts[row + 1]), begins[index])
    chosen.weights.set(weights.subarray(starts[row], starts[row + 1]), begins[index])
  }
  return chosen
}

/** A typed array that grows. */
export class Growing<Numbers extends Int32Array | Uint32Array | Float32Array> {
  #kept: Numbers
  #length = 0

  constructor(first: Numbers) {
    this.#kept = first
  }

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#kept.length) {
      const Kind = this.#kept.constructor as new (length: number) => Numbers
      const larger = new Kind(Math.ceil(this.#length * 1.5) + 1_024)
      larger.set(this.#kept)
      this.#kept = larger
    }
    this.#kept[this.#length] = value
    this.#length += 1
  }

  /** What was pushed; the rest of the room is let go with the next growth. */
  view(): Numbers {
    return this.#kept.subarray(0, this.#length) as Numbers
  }
}
