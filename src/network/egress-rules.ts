/** A host that agents may reach. */
export interface EgressRule {
  /** In small letters, without a dot at the end. */
  readonly host: string
  /** Hosts below it, at any depth, and not itself. */
  readonly below: boolean
  readonly ports: readonly number[]
  /** The operator's own machine names it, so it may stand in a private network, as mirrors of the package registry do. */
  readonly inside: boolean
}

/** An entry of an allow-list that cannot be meant; the message names it. */
export class BadEgressRule extends Error {
  constructor(entry: string, why: string) {
    super(`${JSON.stringify(entry.slice(0, 100))} ${why}`)
    this.name = 'BadEgressRule'
  }
}

const USUAL_PORTS = [443, 80]
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/

/** A host name as it is compared, or `undefined` where it is none: an address in any spelling, or not a name at all. */
export function hostName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  const labels = name.split('.')
  // What ends in a number is read as an address: 127.1, 0x7f000001, 2130706433.
  const address = /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')
  return name.length <= 253 && !address && labels.every((label) => LABEL.test(label)) ? name : undefined
}

/**
 * Hosts separated by commas: `example.com`, `*.example.com`, each with a `:port` or else at 443 and 80. Nothing in it allows nothing.
 *
 * @throws BadEgressRule
 */
export function parseEgressRules(text: string): readonly EgressRule[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map((entry) => parseRule(entry))
}

function parseRule(entry: string): EgressRule {
  const [, star, name = '', port] = /^(\*\.)?([^:*]*)(?::(\d{1,5}))?$/.exec(entry) ?? []
  const host = hostName(name)
  if (host?.includes('.') !== true) throw new BadEgressRule(entry, 'must be a host such as example.com, *.example.com or example.com:8443')
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) throw new BadEgressRule(entry, 'must name a port from 1 to 65535')
  return { host, below: star !== undefined, ports: port === undefined ? USUAL_PORTS : [Number(port)], inside: false }
}

/** The rule for what a URL of the operator's names, so that it can be reached as it is written there. */
export function ruleForUrl(text: string): readonly EgressRule[] {
  const url = URL.parse(text)
  const host = url === null || !['http:', 'https:'].includes(url.protocol) ? undefined : hostName(url.hostname)
  if (url === null || host === undefined) return []
  return [{ host, below: false, ports: url.port === '' ? USUAL_PORTS : [Number(url.port)], inside: true }]
}

/** The rule by which a host may be reached, if there is one. */
export function ruleFor(rules: readonly EgressRule[], host: string, port: number): EgressRule | undefined {
  const fitting = rules.filter((rule) => rule.ports.includes(port) && (rule.below ? host.endsWith(`.${rule.host}`) : host === rule.host))
  return fitting.find(({ inside }) => inside) ?? fitting[0]
}
