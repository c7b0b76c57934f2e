import { useEffect, useState } from 'preact/hooks'
import { told } from './request.ts'

/** What is asked of the service, anew whenever `version` is another one; or why it cannot be had. Until there is another answer the former one stays. */
export function useLoaded<Value>(load: () => Promise<Value>, version: string): { readonly value?: Value; readonly problem?: string } {
  const [loaded, setLoaded] = useState<{ readonly value?: Value; readonly problem?: string }>({})
  useEffect(() => {
    let over = false
    load().then(
      (value) => over || setLoaded({ value }),
      (error: unknown) => over || setLoaded((now) => ({ ...now, problem: told(error) })),
    )
    return () => {
      over = true
    }
  }, [version])
  return loaded
}
