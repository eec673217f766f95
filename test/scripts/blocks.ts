/** The fenced blocks of a language in a page of Markdown; '' are those that name none. */
export function blocksOf(markdown: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`(\\w*)\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...markdown.matchAll(fence)]
    .filter(([, named]) => named === language)
    .map(([, , text = '']) => text);
}
