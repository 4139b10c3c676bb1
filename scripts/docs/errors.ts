// docs/reference/errors.md, from the catalogue.
import { catalogue, type CatalogueEntry } from '../../src/base/index.ts';

export function errorsReference(): string {
  return [
    '# Errors',
    '<!-- Generated from src/base/catalogue.ts by `npm run docs`; edit it there. -->',
    'An error has a code that stays the same between releases, one sentence, the place, a detail where there is more to say, and the next step. On the command line:',
    '```\nerror[SLOT_LOST]: replication slot "millrace_shop" does not exist\n  at me@db.example:5432/shop\n  next: run `millrace resync SOURCE` to make a new slot and read the tables again\n```',
    'In TypeScript it is a `MillraceError` with `code`, `message`, `where`, `detail`, `hint` (the next step) and `retriable`. A state `retrying` or `failed` in '
      + '`millrace status` carries the code in `reason` and the step in `next`.',
    ...Object.entries<CatalogueEntry>(catalogue).map(([code, entry]) =>
      [`## ${code}`, entry.meaning, `Next: ${entry.next}.${entry.retriable ? '\n\nMillrace tries again by itself.' : ''}`].join('\n\n')),
  ].join('\n\n') + '\n';
}
