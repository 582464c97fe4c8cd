import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** What axe calls serious or worse on the page as it stands, once nothing moves in it: half way through a fade, no contrast is right. */
export async function violationsOf(page: Page): Promise<string[]> {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await page.evaluate('Promise.allSettled(document.getAnimations().map(({ finished }) => finished))')
  await page.evaluate(axe.source)
  const found = await page.evaluate<axe.AxeResults>('axe.run(document, { resultTypes: ["violations"] })')
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary?.replaceAll(/\s+/g, ' ')}`))
}
