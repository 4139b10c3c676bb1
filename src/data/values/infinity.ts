/** 1 for `infinity`, −1 for `-infinity`, 0 for any other text. Spellings as PostgreSQL's date types accept them. */
export function infinityOf(text: string): -1 | 0 | 1 {
  const word = text.trim().toLowerCase();
  if (word === 'infinity' || word === '+infinity') return 1;
  return word === '-infinity' ? -1 : 0;
}
