/** The name by which an object was asked for. One that an alarm wakes may not be told it, so it is kept. */
export function nameOf({ id, storage: { kv } }: DurableObjectState): string {
  const known = kv.get<string>('name')
  if (known !== undefined) return known
  if (id.name === undefined) throw new Error('this object was not asked for by a name')
  kv.put('name', id.name)
  return id.name
}
