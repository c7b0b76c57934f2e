import { render } from 'preact'
import { App } from './app.tsx'
import { applyTheme } from './settings.tsx'

applyTheme()
render(<App />, document.body)
