import './style/tokens.css'
import './style/base.css'
import './style/chart.css'
import './style/parts.css'
import './style/pages.css'
import './style/console.css'
import './style/desk.css'
import { render } from 'preact'
import { App } from './app.tsx'
import { followLinks } from './route.ts'

followLinks()
render(<App />, document.querySelector('#console')!)
