// Runs in each page of a site that is shown in a frame: tells the console around it where it is and what fails, and lets a person pick an
// element to speak about. It speaks with the console alone, and holds nothing that the page may not know.
{
  const TEXT_LENGTH = 200
  const ERROR_LENGTH = 500
  const MAX_ERRORS = 20
  const SELECTOR_STEPS = 6
  /** What the site does not hear of while somebody picks. */
  const POINTING = ['pointerdown', 'pointerup', 'mousedown', 'mouseup', 'auxclick', 'contextmenu', 'dblclick', 'dragstart', 'touchstart', 'touchend']

  const { consoles: listed = '', root = '' } = document.currentScript?.dataset ?? {}
  const consoles = listed.split(' ').filter((origin) => origin !== '')
  const { parent } = window // a page may put something else there
  const around = location.ancestorOrigins?.[0] ?? 'null'
  /** Those of them that may be around this page; where a browser does not tell, it delivers to the right one alone. */
  let listeners = around === 'null' ? consoles : consoles.filter((origin) => origin === around)

  /** @param {{ readonly branchline: string, readonly [more: string]: unknown }} message */
  const tell = (message) => {
    for (const origin of listeners) parent.postMessage(message, origin)
  }

  // Where the page is, and what fails in it.

  // Pages of Vite follow their sources by themselves.
  const place = () => ({ branchline: 'at', url: location.href, follows: document.querySelector('script[src*="@vite/client"]') !== null })
  let told = ''
  const tellPlace = () => {
    if (location.href === told) return
    told = location.href
    tell(place())
  }

  let errors = 0
  /** @param {string} text */
  const tellError = (text) => {
    errors += 1
    if (errors <= MAX_ERRORS) tell({ branchline: 'error', text: text.slice(0, ERROR_LENGTH) })
  }

  /** @param {unknown} reason what was thrown may be anything */
  const wordsOf = (reason) => {
    try {
      return reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)
    } catch {
      return 'unknown'
    }
  }

  // Where an element comes from.

  /** @param {Element} element */
  const above = (element) => {
    const tree = element.getRootNode()
    return element.parentElement ?? (tree instanceof ShadowRoot ? tree.host : null)
  }

  /** A path of the machine, relative to the site; nothing of what packages bring. @param {string} path */
  const withinSite = (path) => {
    const file = path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined
    return file === undefined || /(^|\/)(node_modules|\.\.)\//.test(file) ? undefined : file
  }

  /** The same of an address that a dev server has for a source. @param {string} url */
  const sourceAt = (url) => {
    const bare = url.replace(/[?#].*$/, '').replace(/(:\d+){1,2}$/, '')
    const path = bare.startsWith(location.origin) ? bare.slice(location.origin.length) : bare
    if (!/^\/(?!_|@(?!fs\/)).*\.([cm]?[jt]sx?|vue|svelte|astro)$/.test(path)) return undefined
    return withinSite(path.startsWith('/@fs/') ? path.slice('/@fs'.length) : `${root}${path}`)
  }

  /**
   * React notes in which component an element was made, as the stack of a call. Lines there are of what the browser was sent.
   *
   * @param {Element} element
   */
  const reactFile = (element) => {
    for (const [name, fiber] of Object.entries(element)) {
      if (!name.startsWith('__reactFiber$')) continue
      const stack = String(fiber?._debugStack?.stack ?? '')
      for (const [url] of stack.matchAll(/https?:\/\/[^\s()]+/g)) {
        const file = sourceAt(url)
        if (file !== undefined) return file
      }
    }
    return undefined
  }

  /** @param {Element} picked @returns {{ file?: string, line?: number, column?: number }} */
  const sourceOf = (picked) => {
    /** @type {Element | null} */
    let at = picked
    for (; at !== null; at = above(at)) {
      const astro = withinSite(at.getAttribute('data-astro-source-file') ?? '')
      if (astro !== undefined) {
        const [line = 0, column = 0] = (at.getAttribute('data-astro-source-loc') ?? '').split(':').map(Number)
        return { file: astro, ...(line > 0 ? { line } : {}), ...(line > 0 && column > 0 ? { column } : {}) }
      }
      const component = reactFile(at) ?? (at.localName === 'astro-island' ? sourceAt(at.getAttribute('component-url') ?? '') : undefined)
      if (component !== undefined) return { file: component }
    }
    return {}
  }

  // What an element is.

  /** As it is in the source: a style may show other letters. @param {Element} element */
  const textOf = (element) => {
    let text = ''
    /** @type {Element | null} */
    let within = null
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
    while (text.length < TEXT_LENGTH * 2 && texts.nextNode()) {
      const { parentElement, nodeValue } = texts.currentNode
      if (/^(script|style|template)$/.test(parentElement?.localName ?? '')) continue
      text = `${text}${parentElement === within ? '' : ' '}${nodeValue}`.replaceAll(/\s+/g, ' ')
      within = parentElement
    }
    const named = ['aria-label', 'alt', 'placeholder', 'title'].map((name) => element.getAttribute(name) ?? '')
    return ([text, ...named].map((each) => each.trim()).find((each) => each !== '') ?? '').slice(0, TEXT_LENGTH)
  }

  /** @param {Element} picked */
  const selectorOf = (picked) => {
    const steps = []
    /** @type {Element | null} */
    let at = picked
    for (; at !== null && at !== document.documentElement && steps.length < SELECTOR_STEPS; at = above(at)) {
      const { id, localName } = at
      if (id !== '' && document.querySelectorAll(`#${CSS.escape(id)}`).length === 1) {
        steps.unshift(`#${CSS.escape(id)}`)
        break
      }
      const alike = [...(at.parentElement?.children ?? [])].filter((each) => each.localName === localName)
      steps.unshift(alike.length > 1 ? `${CSS.escape(localName)}:nth-of-type(${alike.indexOf(at) + 1})` : CSS.escape(localName))
    }
    return steps.join(' > ')
  }

  // Picking.

  /** @type {{ readonly host: HTMLElement, readonly outline: HTMLElement, readonly label: HTMLElement } | undefined} */
  let picking
  /** @type {Element | undefined} */
  let shown

  /** @param {Readonly<Record<string, string>>} style */
  const box = (style) => {
    const element = document.createElement('div')
    for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value, 'important')
    return element
  }

  /** Takes the pointer, so that the page does not see it, and lies over whatever the site puts on top. */
  const begin = () => {
    if (picking !== undefined) return
    const host = box({
      all: 'initial',
      display: 'block',
      position: 'fixed',
      inset: '0',
      width: '100%',
      height: '100%',
      'z-index': '2147483647',
      cursor: 'crosshair',
    })
    const outline = box({ position: 'fixed', display: 'none', outline: '2px solid #c8693b', 'outline-offset': '1px', background: 'rgb(200 105 59 / 12%)' })
    const label = box({
      position: 'fixed',
      display: 'none',
      padding: '2px 6px',
      'max-width': '90vw',
      overflow: 'hidden',
      'white-space': 'nowrap',
      'text-overflow': 'ellipsis',
      font: '12px/1.5 ui-monospace, monospace',
      color: '#fff',
      background: '#2b2926',
      'border-radius': '4px',
    })
    host.attachShadow({ mode: 'closed' }).append(outline, label)
    document.documentElement.append(host)
    try {
      host.popover = 'manual'
      host.showPopover()
    } catch {
      // an older browser: only what the site shows modally lies over it
    }
    picking = { host, outline, label }
  }

  const end = () => {
    picking?.host.remove()
    picking = shown = undefined
  }

  /** @param {number} x @param {number} y */
  const elementAt = (x, y) => {
    let found = document.elementsFromPoint(x, y).find((each) => each !== picking?.host)
    for (;;) {
      const tree = found?.shadowRoot
      const inner = tree?.elementsFromPoint(x, y).find((each) => each.getRootNode() === tree)
      if (inner === undefined) return found
      found = inner
    }
  }

  /** @param {Element | undefined} element */
  const show = (element) => {
    shown = element
    if (picking === undefined) return
    const { outline, label } = picking
    for (const each of [outline, label]) each.style.setProperty('display', element === undefined ? 'none' : 'block', 'important')
    if (element === undefined) return
    const { left, top, width, height, bottom } = element.getBoundingClientRect()
    const { file, line } = sourceOf(element)
    label.textContent = [`<${element.localName}>`, ...(file === undefined ? [] : [line === undefined ? file : `${file}:${line}`])].join(' ')
    const place = { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` }
    for (const [name, value] of Object.entries(place)) outline.style.setProperty(name, value, 'important')
    const above = top >= label.offsetHeight + 4 ? top - label.offsetHeight - 4 : Math.min(bottom + 4, innerHeight - label.offsetHeight)
    label.style.setProperty('top', `${Math.max(0, above)}px`, 'important')
    label.style.setProperty('left', `${Math.max(0, Math.min(left, innerWidth - label.offsetWidth))}px`, 'important')
  }

  /** @param {Element | undefined | null} element */
  const pick = (element) => {
    if (element === undefined || element === null || element === document.body || element === document.documentElement) return
    end()
    tell({ branchline: 'picked', tag: element.localName, text: textOf(element), selector: selectorOf(element), ...sourceOf(element) })
  }

  /** Answers whether it was for picking; what scripts of the site do is not. @param {Event} event */
  const swallow = (event) => {
    if (picking === undefined || !event.isTrusted) return false
    if (event.cancelable && !event.type.startsWith('touch')) event.preventDefault() // a touch becomes a click
    event.stopImmediatePropagation()
    return true
  }

  const listen = () => {
    // In the first phase, and before the site's own listeners, since this script is the first one of the page.
    for (const type of POINTING) addEventListener(type, swallow, { capture: true, passive: type.startsWith('touch') })
    addEventListener('pointermove', ({ clientX, clientY }) => picking && show(elementAt(clientX, clientY)), true)
    addEventListener('focusin', () => picking && document.activeElement !== null && show(document.activeElement), true)
    for (const type of ['scroll', 'resize']) addEventListener(type, () => show(shown), true)
    addEventListener(
      'click',
      (event) => {
        const byKey = event.detail === 0
        if (swallow(event)) pick(byKey ? shown : elementAt(event.clientX, event.clientY))
      },
      true,
    )
    addEventListener(
      'keydown',
      (event) => {
        if ((event.key !== 'Escape' && event.key !== 'Enter') || !swallow(event)) return
        if (event.key === 'Enter') return pick(shown ?? document.activeElement)
        end()
        tell({ branchline: 'pick-ended' })
      },
      true,
    )
    addEventListener('message', ({ source, origin, data }) => {
      if (source !== parent || !consoles.includes(origin) || typeof data !== 'object' || data === null) return
      listeners = [origin]
      if (data.branchline === 'hello') tell(place())
      else if (data.branchline === 'pick' && typeof data.on === 'boolean') (data.on ? begin : end)()
    })
    addEventListener('error', (event) => {
      if (!(event instanceof ErrorEvent)) return
      const file = sourceAt(event.filename)
      tellError(file === undefined ? event.message : `${event.message} (${file})`)
    })
    addEventListener('unhandledrejection', ({ reason }) => tellError(wordsOf(reason)))
    for (const type of ['load', 'popstate', 'hashchange']) addEventListener(type, tellPlace)
    if ('navigation' in window) navigation.addEventListener('currententrychange', tellPlace)
    tell({ branchline: 'begins' })
  }

  if (parent !== window && listeners.length > 0) listen()
}
