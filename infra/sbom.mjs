// Prints what is shipped as CycloneDX. `npm sbom --omit=dev` leaves out a package that tools of development need as well, so
// npm lists everything, and what serves development alone is taken out here.
import { execFileSync } from 'node:child_process'

const BYTES_MAX = 64 << 20
const everything = JSON.parse(execFileSync('npm', ['sbom', '--sbom-format=cyclonedx'], { encoding: 'utf8', maxBuffer: BYTES_MAX }))
const isDevelopment = ({ properties = [] }) => properties.some(({ name, value }) => name === 'cdx:npm:package:development' && value === 'true')
const left = new Set(everything.components.filter(isDevelopment).map((component) => component['bom-ref']))
everything.components = everything.components.filter((component) => !left.has(component['bom-ref']))
everything.dependencies = everything.dependencies
  .filter(({ ref }) => !left.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => !left.has(each)) }))
process.stdout.write(`${JSON.stringify(everything, null, 2)}\n`)
