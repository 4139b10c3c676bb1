// Starts and stops the shop's traffic, and counts what it wrote.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { TrafficMessage, TrafficOptions } from './traffic-worker.ts';

export class Traffic {
  /** Rows and transactions committed so far. */
  rows = 0;
  transactions = 0;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;

  constructor(options: TrafficOptions) {
    // .ts in a clone, .js in the compiled package
    this.#worker = new Worker(new URL(`./traffic-worker${extname(import.meta.url)}`, import.meta.url), { workerData: options });
    this.#worker.on('message', (message: TrafficMessage) => {
      if (message.kind === 'rows') ({ rows: this.rows, transactions: this.transactions } = message);
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#worker.once('error', reject).once('exit', () => resolve());
    });
    this.#ended.catch(() => undefined); // reported by stop()
  }

  /** Lets open transactions commit. Rejects when the traffic had failed. */
  async stop(): Promise<void> {
    this.#worker.postMessage('stop');
    await this.#ended;
  }
}
