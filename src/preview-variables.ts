import * as z from 'zod'
import { domain, flag, minutes, portOrOff, whole } from './shapes.ts'

/** Environment variables of previews, as those of `variables.ts`. */
export const PREVIEW_VARIABLES = {
  ASTRO_PORT: {
    group: 'preview',
    default: '4321',
    about: 'Port of the previews of all threads; 0 takes a free one, `off` shows none.',
    shape: portOrOff.default(4321),
  },
  HMR_PORT: {
    group: 'preview',
    default: '4322',
    about: 'Port that answers sockets of hot module replacement too, for sites that ask for them at a port of its own.',
    shape: portOrOff.default(4322),
  },
  ASTRO_DEV_MODE: {
    group: 'preview',
    default: 'true',
    about: 'Whether previews are dev servers, which show a change while it is made; else they show the last good build.',
    shape: flag.default(true),
  },
  PREVIEW_DOMAIN: {
    group: 'preview',
    default: '',
    about: 'Domain below which previews are reached by others, by https: `https://thread-hello.{PREVIEW_DOMAIN}`. Whoever is to see one needs a link.',
    shape: domain.optional(),
  },
  PREVIEW_ACCESS: {
    group: 'preview',
    default: 'link',
    about: '`open` lets whoever reaches them see previews that others can reach, without a link.',
    shape: z.enum(['link', 'open']).default('link'),
  },
  PREVIEWS_KEPT: {
    group: 'preview',
    default: '2',
    about: 'Dev servers that run at once (about 450 MB each); the one that was used least lately is stopped for another.',
    shape: whole(1, 256).default(2),
  },
  PREVIEW_IDLE: {
    group: 'preview',
    default: '30',
    about: 'Minutes after which a preview is stopped that nobody looks at.',
    shape: minutes.default(30 * 60_000),
  },
  AUTO_REPAIR: {
    group: 'preview',
    default: '0',
    about: 'How often, 2 at most, an agent is asked to mend what its run broke on a page, before the run ends.',
    shape: whole(0, 2).default(0),
  },
  PICTURES: {
    group: 'preview',
    default: 'false',
    about: 'Whether results have pictures of the pages that a run touched, before and after it; takes a Chromium, and about two seconds a page.',
    shape: flag.default(false),
  },
} as const
