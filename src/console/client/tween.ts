import { useEffect, useRef, useState } from 'preact/hooks'

const TWEEN_MS = 450

/** A whole number on its way to `target`: what is drawn counts up or down instead of jumping. */
export function useTween(target: number): number {
  const [shown, setShown] = useState(target)
  const from = useRef(target)
  useEffect(() => {
    const start = from.current
    if (start === target) return undefined
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      from.current = target
      setShown(target)
      return undefined
    }
    const began = performance.now()
    let frame = requestAnimationFrame(function step(now: number) {
      const share = Math.min(1, Math.max(0, now - began) / TWEEN_MS)
      from.current = Math.round(start + (target - start) * (1 - (1 - share) ** 3))
      setShown(from.current)
      if (share < 1) frame = requestAnimationFrame(step)
    })
    return () => cancelAnimationFrame(frame)
  }, [target])
  return shown
}
