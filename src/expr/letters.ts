// Case of letters after Unicode, as PostgreSQL's ICU collation "und-x-icu" has it (which the SQL names).

export const unicodeLower = (text: string): string => text.toLowerCase();
export const unicodeUpper = (text: string): string => text.toUpperCase();

/**
 * Words begin with a capital, ASCII letters only (collation "C"): what a word is beyond ASCII differs between PostgreSQL's releases and
 * its collation providers.
 */
export const capitals = (text: string): string =>
  text.replace(/[a-zA-Z0-9]+/g, (word) => word[0]!.toUpperCase() + word.slice(1).toLowerCase());
