import { glob } from 'astro/loaders'
import { z } from 'astro/zod'
import { defineCollection } from 'astro:content'

const breads = defineCollection({
  loader: glob({ pattern: '*.md', base: './src/content/breads' }),
  schema: z.object({ name: z.string(), price: z.number(), days: z.string(), order: z.number() }),
})

export const collections = { breads }
