/** Beyond this the letters are not compared one by one: the distance of what is left is its difference in length. */
const MAX_CHARS = 4_000

/** How many letters must be put in, taken out or changed to make one text the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  const [a, b] = [Array.from(from.slice(0, MAX_CHARS)), Array.from(to.slice(0, MAX_CHARS))]
  const beyond = Math.abs(Math.max(0, from.length - MAX_CHARS) - Math.max(0, to.length - MAX_CHARS))
  let above = Uint16Array.from({ length: b.length + 1 }, (_, column) => column)
  let row = new Uint16Array(b.length + 1)
  for (const [index, letter] of a.entries()) {
    row[0] = index + 1
    for (let column = 1; column <= b.length; column += 1) {
      const changed = above[column - 1]! + (letter === b[column - 1] ? 0 : 1)
      row[column] = Math.min(changed, above[column]! + 1, row[column - 1]! + 1)
    }
    ;[above, row] = [row, above]
  }
  return above[b.length]! + beyond
}
