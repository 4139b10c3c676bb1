// The measured table of README.md, from the newest file in bench/results.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Figure } from '../../bench/report.ts';

interface Results {
  readonly machine: { readonly date: string; readonly node: string; readonly cpu: string; readonly cores: number; readonly quick: boolean };
  readonly figures: readonly Figure[];
}

export function measuredTable(folder: URL): string {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  const all = files.map((file) => ({ file, ...(JSON.parse(readFileSync(new URL(`${folder.href}/${file}`), 'utf8')) as Results) }));
  const newest = all.filter((each) => each.figures?.length > 0).toSorted((a, b) => (a.machine.date < b.machine.date ? 1 : -1))[0];
  if (!newest) return 'Not measured yet: `npm run bench` measures here.';
  const { machine, figures, file } = newest;
  // A figure says something only next to what it is compared with; the others are in the file.
  const rows = figures.filter((figure) => figure.ratio !== undefined).map((figure) => {
    const against = `${figure.ratio?.toFixed(2)} × ${(figure.baseline ?? '').replaceAll('|', '\\|')}`;
    return `| ${figure.case} | ${figure.figure} | ${numberText(figure.value)} ${figure.unit} | ${against} | ${reachText(figure)} |`;
  });
  return [
    '| case | figure | measured | against, in the same run | promised |',
    '|---|---|---:|---:|---|',
    ...rows,
    '',
    `Measured on ${machine.date.slice(0, 10)} with Node ${machine.node} on ${machine.cores} cores of ${machine.cpu.trim()}${machine.quick ? ' (short run)' : ''}; `
      + `servers, source and Millrace shared them. From [bench/results/${file}](bench/results/${file}); \`npm run bench\` measures again.`,
  ].join('\n');
}

const reachText = (figure: Figure): string => (figure.reach === undefined ? '' : `${figure.reach}: ${figure.holds ? 'holds' : '**missed**'}`);

const numberText = (value: number): string => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3))));
