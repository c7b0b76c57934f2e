/** SQS refuses two characters that JSON may hold as they are; as JSON writes them otherwise, it takes them. */
export const fitForSqs = (json: string): string => json.replaceAll(/[\uFFFE\uFFFF]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`)
