const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A mail's text as HTML: paragraphs and line breaks, and nothing that somebody wrote into it is more than text. */
export function mailHtml(text: string): string {
  const paragraphs = text
    .replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!)
    .split(/\n{2,}/)
    .map((paragraph) => `<p>${paragraph.replaceAll('\n', '<br>\n')}</p>`)
  return `<!doctype html>\n<html><body style="font-family: sans-serif">\n${paragraphs.join('\n')}\n</body></html>`
}
