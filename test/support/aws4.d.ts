/** What is used of a signer that is not Amazon's. */
declare module 'aws4' {
  export function sign(
    request: {
      readonly service: string
      readonly region: string
      readonly method: string
      readonly path: string
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly extraHeadersToInclude: Readonly<Record<string, true>>
    },
    credentials: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string },
  ): { readonly headers: Readonly<Record<string, string>> }
}
