// A record of a Kafka topic, as it is handed to readers of envelopes. Nobody writes to its bytes any more.
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

export const headerOf = (record: KafkaRecord, key: string): Buffer | null | undefined => record.headers.find((header) => header.key === key)?.value;
