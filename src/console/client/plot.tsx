import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

export interface PlotSeries {
  label: string
  values: (number | null)[]
  /** The name of a colour in tokens.css. */
  tone: 'waiting' | 'held' | 'running' | 'retried' | 'done' | 'failed' | 'ended'
  /** Filled below its line. */
  filled?: boolean
  /** Points without a line. */
  dots?: boolean
  /** A line whose points are seen, so that one alone is. */
  marked?: boolean
  /** Bars instead of a line. */
  bars?: boolean
  /** A line that is there to be compared with. */
  dashed?: boolean
  /** How its values are told, where they are told otherwise than the rest. */
  told?: (value: number) => string
}

interface PlotProps {
  /** What the eye sees, in words, for who cannot. */
  label: string
  /** Seconds since 1970, or plain numbers where `plain`. */
  x: number[]
  series: PlotSeries[]
  height?: number
  plain?: boolean
  /** A line without axes, to stand in a row. */
  spark?: boolean
  /** How a value is told. */
  tell?: (value: number) => string
  /** From where to where values go. */
  range?: [number, number]
  /** Below the values, where they are no such values themselves: what they are called, how one is told, and which steps are told. */
  below?: { name: string; tell: (value: number) => string; steps: number[]; range?: [number, number] }
}

/** A chart by uPlot in the colours of the page. */
export function Plot({ label, x, series, height = 180, plain = false, spark = false, tell = String, range, below }: PlotProps) {
  const frame = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const data = [x, ...series.map(({ values }) => values)] as uPlot.AlignedData
  const shape = JSON.stringify([series.map(({ values: _values, ...rest }) => rest), height, plain, spark])
  const scheme = matchMedia('(prefers-color-scheme: dark)')

  useEffect(() => {
    const element = frame.current
    if (!element) return undefined
    const draw = () => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsOf(element, { series, height, plain, spark, tell, range, below }), data, element)
    }
    draw()
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    scheme.addEventListener('change', draw)
    return () => {
      observer.disconnect()
      scheme.removeEventListener('change', draw)
      plot.current?.destroy()
      plot.current = null
    }
  }, [shape])
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)])

  return <div class={spark ? 'plot plot-spark' : 'plot'} ref={frame} role="img" aria-label={label} />
}

type Drawn = Pick<PlotProps, 'series' | 'range' | 'below'> & { height: number; plain: boolean; spark: boolean; tell: (value: number) => string }

function optionsOf(element: HTMLElement, { series, height, plain, spark, tell, range, below }: Drawn): uPlot.Options {
  const style = getComputedStyle(element)
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const tellBelow = below?.tell ?? tell
  const axis: uPlot.Axis = {
    stroke: colour('ink-faint'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1 },
    font: `11px ${style.fontFamily}`,
  }
  return {
    width: element.clientWidth,
    height,
    cursor: { show: !spark, drag: { x: false, y: false } },
    legend: { show: !spark },
    padding: spark ? [2, 0, 2, 0] : [8, plain ? 22 : 12, 0, 0],
    scales: {
      x: { time: !plain, ...(below?.range ? { range: below.range } : {}) },
      y: { range: range ?? ((_plot, _least, most) => [0, Math.max(most || 0, Number.EPSILON) * 1.08]) },
    },
    axes: spark
      ? [{ show: false }, { show: false }]
      : [
          plain
            ? { ...axis, ...(below ? { incrs: below.steps } : {}), values: (_plot, splits) => splits.map((value) => (value === null ? '' : tellBelow(value))) }
            : axis,
          { ...axis, size: 56, values: (_plot, splits) => splits.map((value) => (value === null ? '' : tell(value))) },
        ],
    series: [
      plain ? { label: below?.name ?? 'at', value: (_plot, value) => (value === null ? '-' : tellBelow(value)) } : {},
      ...series.map(({ label, tone, filled, dots, marked, bars, dashed, told = tell }): uPlot.Series => ({
        label,
        stroke: colour(tone),
        width: dots || bars ? 0 : 1.5,
        ...(dashed ? { dash: [4, 4] } : {}),
        ...(filled || bars ? { fill: `color-mix(in srgb, ${colour(tone)} ${bars ? (spark ? 85 : 45) : 22}%, transparent)` } : {}),
        ...(bars ? { paths: uPlot.paths.bars!({ size: [0.9] }) } : {}),
        points: { show: dots ?? marked ?? false, size: 7, fill: colour(tone) },
        spanGaps: false,
        value: (_plot, value) => (value === null ? '-' : told(value)),
      })),
    ],
  }
}
