// Schemas by their ids from a registry that speaks Confluent's API.
import type { AvroSchema, AvroSchemas } from '../codec/index.ts';
import { MillraceError } from '../base/index.ts';

const TIMEOUT_MS = 10_000;

export class SchemaRegistry {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  /** Ids that it does not have, so that it is asked for them once. */
  readonly #absent = new Set<number>();

  /** @param address `http://host:8081`; user and password in it are sent as basic authentication. Throws USAGE. */
  constructor(address: string) {
    const url = URL.parse(address);
    if (!url || !/^https?:$/.test(url.protocol)) throw new MillraceError('USAGE', `"${address}" is not the address of a registry`, { hint: 'write one like http://localhost:8081' });
    const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    this.#headers = { accept: 'application/vnd.schemaregistry.v1+json', ...(user === ':' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` }) };
    url.username = url.password = '';
    this.#base = url.href.replace(/\/$/, '');
  }

  /** Adds the schema to those that are known, if the registry has it. Throws CONNECT_FAILED, AUTH_FAILED or SERVER_ERROR. */
  async fetchInto(schemas: AvroSchemas, id: number): Promise<void> {
    if (schemas.has(id) || this.#absent.has(id)) return;
    const where = `${this.#base}/schemas/ids/${id}`;
    const answer = await this.#ask(where);
    if (answer === undefined) {
      this.#absent.add(id);
      return;
    }
    const { schema, schemaType = 'AVRO', references = [] } = answer;
    if (schemaType !== 'AVRO') throw new MillraceError('SERVER_ERROR', `schema ${id} is ${schemaType}, and only Avro is read`, { where });
    if (references.length > 0) throw new MillraceError('SERVER_ERROR', `schema ${id} refers to other subjects, which is not read`, { where });
    schemas.add(id, JSON.parse(schema) as AvroSchema);
  }

  async #ask(where: string): Promise<{ schema: string; schemaType?: string; references?: readonly unknown[] } | undefined> {
    let response: Response;
    try {
      response = await fetch(where, { headers: this.#headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      const cause = (error as Error).cause;
      throw new MillraceError('CONNECT_FAILED', 'the schema registry cannot be reached', { where, detail: cause instanceof Error ? cause.message : (error as Error).message, cause: error });
    }
    const body = await response.text();
    if (response.status === 404) return undefined;
    if (response.status === 401 || response.status === 403) throw new MillraceError('AUTH_FAILED', 'the schema registry refused user or password', { where, hint: 'write them into its address: http://user:password@host:8081' });
    if (!response.ok) throw new MillraceError('SERVER_ERROR', `the schema registry answered ${response.status}`, { where, detail: body.slice(0, 500) });
    return JSON.parse(body) as { schema: string };
  }
}
