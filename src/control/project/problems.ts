// What zod found wrong, in words, with the nearest valid name.
import { z } from 'zod';
import { nearestName } from '../../data/index.ts';
import type { Path, Report } from './report.ts';

type Issue = z.core.$ZodIssue;
type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;

/** Top-level words that later releases will know. */
const later: Record<string, string> = { hooks: 'hooks', views: 'views', flows: 'flows', telemetry: 'telemetry' };

/** Made once a schema: they tell which keys are valid where. */
const jsonSchemas = new WeakMap<z.ZodType, Json>();

/** Adds every problem of a failed parse, `base` being the path of the value that was parsed. */
export function reportIssues(schema: z.ZodType, issues: readonly Issue[], report: Report, base: Path = []): void {
  const json = jsonSchemas.get(schema) ?? (z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json);
  jsonSchemas.set(schema, json);
  for (const issue of issues) reportIssue(issue, [], json, report, base);
}

function reportIssue(issue: Issue, prefix: Path, json: Json, report: Report, base: Path): void {
  const inner = [...prefix, ...issue.path] as (string | number)[];
  const path = [...base, ...inner];
  if ((issue.code === 'invalid_type' || issue.code === 'invalid_union') && issue.input === undefined) {
    const key = String(path.at(-1));
    report.error(path, path.length > 1 ? `${subject(path.slice(0, -1))} has no "${key}"` : `"${key}" is missing`, { at: 'key' });
  } else if (issue.code === 'invalid_union') {
    const branch = likelyBranch(issue.errors, issue.input);
    if (branch) for (const each of branch) reportIssue(each, inner, json, report, base);
    else if (issue.message !== 'Invalid input') report.error(path, `${subject(path)} ${issue.message}`);
    else report.error(path, `${subject(path)} must be ${orList(alternatives(issue.errors))}`, { code: 'CONFIG_INVALID' });
  } else if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) unknownKey(key, path, keysAt(json, inner), report);
  } else if (issue.code === 'invalid_value' && issue.input !== undefined && !issue.message.startsWith('Invalid')) {
    report.error(path, issue.message);
  } else if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const near = typeof issue.input === 'string' ? nearestName(issue.input, values) : undefined;
    report.error(path, `${subject(path)} must be ${orList(values)}`, { hint: near === undefined ? undefined : `did you mean "${near}"?` });
  } else if (issue.code === 'invalid_type') {
    report.error(path, `${subject(path)} must be ${typeWord(issue.expected)}, not ${valueWord(issue.input)}`);
  } else if (issue.code === 'invalid_key') {
    report.error(path, `"${String(path.at(-1))}" is not a name`, { at: 'key' });
  } else {
    report.error(path, issue.code === 'custom' || issue.code === 'too_small' || issue.code === 'invalid_format' ? `${subject(path)}: ${issue.message}` : issue.message);
  }
}

function unknownKey(key: string, path: Path, valid: readonly string[], report: Report): void {
  if (path.length === 0 && later[key]) {
    report.error([key], `"${key}" is not in this release`, { at: 'key', hint: 'this release has sources and replicas' });
    return;
  }
  const near = nearestName(key, valid);
  const hint = near === undefined ? (valid.length > 0 ? `valid keys are ${valid.join(', ')}` : undefined) : `did you mean "${near}"?`;
  report.error([...path, key], `unknown key "${key}"${path.length > 0 ? ` in ${subject(path)}` : ''}`, { at: 'key', hint });
}

/** The branch of a union that the value was meant for: the one whose kind it has. Undefined when none or several do. */
function likelyBranch(errors: readonly (readonly Issue[])[], input: unknown): readonly Issue[] | undefined {
  const fitting = errors.filter((issues) => !issues.some((issue) => issue.path.length === 0 && isOtherKind(issue, input)));
  // Several mappings: the one with the fewest complaints, if it is one.
  const [best, next] = fitting.toSorted((a, b) => a.length - b.length);
  return best && (next === undefined || best.length < next.length) ? best : undefined;
}

const isOtherKind = (issue: Issue, input: unknown): boolean =>
  issue.code === 'invalid_type' || (issue.code === 'invalid_union' && !likelyBranch(issue.errors, input))
  || (issue.code === 'invalid_value' && !issue.values.some((value) => typeof value === typeof input));

/** What the branches of a union want, in words. */
function alternatives(errors: readonly (readonly Issue[])[]): string[] {
  const words = errors.flatMap((issues) => issues.flatMap((issue): string[] => {
    if (issue.code === 'invalid_type') return [typeWord(issue.expected)];
    if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value));
    if (issue.code === 'invalid_union') return alternatives(issue.errors);
    return issue.code === 'unrecognized_keys' ? ['a mapping'] : [];
  }));
  return [...new Set(words)];
}

const orList = (words: readonly string[]): string => (words.length < 2 ? (words[0] ?? 'something else') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`);

/** What a path is called in a sentence: `replicas.warehouse.names`. */
export const subject = (path: Path): string =>
  path.length === 0 ? 'the file' : path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    if (!/^[\w-]+$/.test(step) && text !== '') return `${text}[${JSON.stringify(step)}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');

const typeWord = (expected: string): string =>
  ({ object: 'a mapping', record: 'a mapping', string: 'text', boolean: 'true or false', array: 'a list', number: 'a number', null: 'null' })[expected] ?? expected;

function valueWord(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'string' ? `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"` : String(value as number | boolean);
}

/** The keys that a mapping at this path may have, by the JSON Schema. */
function keysAt(schema: Json, path: Path): string[] {
  const [step, ...rest] = path;
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return [];
  const branches = schema['anyOf'];
  if (Array.isArray(branches)) return [...new Set(branches.flatMap((branch) => keysAt(branch, path)))];
  const properties = (schema['properties'] ?? {}) as Record<string, Json>;
  if (step === undefined) return Object.keys(properties);
  if (typeof step === 'number') return keysAt(schema['items'] ?? null, rest);
  return keysAt(Object.hasOwn(properties, step) ? (properties[step] as Json) : (schema['additionalProperties'] ?? null), rest);
}

const PLACEHOLDER_URL = 'postgres://placeholder';

/** The value without what is wrong in it, so that the rest can be checked as well; undefined when too little is left. Missing URLs are marked unknown. */
export function withoutProblems(value: unknown, issues: readonly Issue[], report: Report): unknown {
  const copy = copyOf(value);
  for (const { path, ...issue } of issues) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path];
    for (const [first, name, key, ...rest] of keys as (string | number)[][]) {
      const group = isRecord(copy) && first !== undefined ? copy[first] : undefined;
      if (!isRecord(copy) || first === undefined) return undefined;
      if (first === 'millrace') copy[first] = 1;
      else if (name === undefined || !isRecord(group)) delete copy[first];
      else if (key === 'postgres' || (first === 'sources' && key === undefined)) {
        group[name] = isRecord(group[name]) ? { ...group[name], postgres: PLACEHOLDER_URL } : { postgres: PLACEHOLDER_URL };
        report.markUnknown([first, name, 'postgres']);
      } else if (key === undefined || (first === 'replicas' && key === 'from')) delete group[name];
      else remove(group[name], [key, ...rest]);
    }
  }
  return copy;
}

const isRecord = (value: unknown): value is Record<string | number, unknown> => typeof value === 'object' && value !== null;

const copyOf = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(copyOf) : isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyOf(each)])) : value;

function remove(value: unknown, path: readonly (string | number)[]): void {
  const [step, ...rest] = path;
  if (!isRecord(value) || step === undefined || !(step in value)) return;
  if (rest.length > 0 && isRecord(value[step])) remove(value[step], rest);
  else delete value[step];
}
