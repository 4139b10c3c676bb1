// Case of letters after Unicode, as PostgreSQL's ICU collation "und-x-icu" has it (which the SQL names).

export const unicodeLower = (text: string): string => text.toLowerCase();
export const unicodeUpper = (text: string): string => text.toUpperCase();

/** The first letter of each word upper (title) case, the others lower. Words are runs of letters and digits. */
export function titleCase(text: string): string {
  return text.replace(/[\p{L}\p{N}\p{M}]+/gu, (word) => {
    const [first = ''] = word;
    return unicodeUpper(first) + unicodeLower(word.slice(first.length));
  });
}
