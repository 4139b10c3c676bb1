// A TCP proxy before a server, which breaks what it carries: at a pattern or after some bytes, at both ends or at one, or by going slow.
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';

export interface Trap {
  /** The bytes that are watched: those on their way to the server, or those on their way to the client. */
  readonly toward: 'server' | 'client';
  /** Strikes where these bytes pass (text stands for its bytes), … */
  readonly pattern?: string;
  /** … or where so many bytes have passed since the trap was set, in one session. */
  readonly bytes?: number;
  /** Strikes only in sessions that have sent this to the server, and counts bytes from there on. */
  readonly session?: string;
  /** Whether what it strikes at still gets through. */
  readonly delivers?: boolean;
  /** `cut`: both ends see the connection break. `client` or `server`: only this end does, the other one is left with a connection that is silent for ever. */
  readonly breaks?: 'cut' | 'client' | 'server';
}

interface Armed extends Trap {
  readonly struck: () => void;
  /** Bytes of a direction that passed before they are counted. */
  readonly before: Map<Direction, number>;
}

/** What has passed of a session in one direction, as far as traps may have to look back. */
interface Direction {
  readonly toward: 'server' | 'client';
  tail: string;
  bytes: number;
}

interface Session {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client has sent, the first of it. */
  sent: string;
  broken: boolean;
}

const tailBytes = 256;
const sentBytesMax = 1 << 18;

export class Proxy {
  readonly port: number;
  /** Nothing passes, and nobody is told: what arrives waits. */
  #frozen = false;
  /** New connections are closed at once. */
  refuses = false;
  /** Bytes a second of each direction of each session; undefined: as fast as it goes. */
  bytesPerSec: number | undefined;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  #traps: Armed[] = [];
  readonly #thaws = new Set<() => void>();
  #closed: () => void = () => undefined;
  readonly #closing = new Promise<void>((resolve) => (this.#closed = resolve));

  private constructor(server: Server, port: number, to: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (client) => this.#accept(client, to));
  }

  /** @param to The server's port at loopback. */
  static async start(to: number): Promise<Proxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new Proxy(server, address.port, to);
  }

  /** A URL of the server, led through here. */
  through(url: string): string {
    return url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${this.port}`);
  }

  /** Sets a trap; resolves when it has struck, which it does once. */
  trap(trap: Trap): Promise<void> {
    return new Promise((struck) => this.#traps.push({ ...trap, struck, before: new Map() }));
  }

  disarm(): void {
    this.#traps = [];
  }

  /** Breaks all connections. */
  cut(): void {
    for (const session of this.#sessions) this.#break(session, 'cut');
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    for (const go of this.#thaws) go();
    this.#thaws.clear();
  }

  async close(): Promise<void> {
    this.thaw();
    this.#closed();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const { client, server } of this.#sessions) for (const socket of [client, server]) socket.destroy();
    await closed;
  }

  #accept(client: Socket, to: number): void {
    if (this.refuses) return void client.resetAndDestroy();
    const server = connectTcp({ host: '127.0.0.1', port: to, noDelay: true, allowHalfOpen: true });
    const session: Session = { client, server, sent: '', broken: false };
    this.#sessions.add(session);
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      // One end is gone: so is the other, unless a trap has parted them.
      socket.on('close', () => {
        if (!session.broken) for (const each of [client, server]) each.destroy();
        if (client.destroyed && server.destroyed) this.#sessions.delete(session);
      });
    }
    void this.#carry(session, client, server, { toward: 'server', tail: '', bytes: 0 });
    void this.#carry(session, server, client, { toward: 'client', tail: '', bytes: 0 });
  }

  async #carry(session: Session, from: Socket, to: Socket, direction: Direction): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (this.#frozen) await new Promise<void>((go) => this.#thaws.add(go));
        // The end that was not told: what it sends is taken by nobody.
        if (session.broken) await this.#closing;
        const { passes, struck } = this.#look(session, direction, chunk);
        if (passes > 0) {
          if (this.bytesPerSec !== undefined) await new Promise((resolve) => setTimeout(resolve, (1000 * passes) / (this.bytesPerSec ?? Infinity)));
          await new Promise<void>((resolve) => to.write(chunk.subarray(0, passes), () => resolve()));
        }
        if (!struck) continue;
        this.#break(session, struck.breaks ?? 'cut');
        struck.struck();
      }
      if (!session.broken) to.end();
    } catch {
      // The connection broke: its other end is told by `close`.
    }
  }

  /** How many bytes of a chunk pass, and the trap that they step into. */
  #look(session: Session, direction: Direction, chunk: Buffer): { passes: number; struck?: Armed } {
    const isWatched = this.#traps.some((trap) => trap.toward === direction.toward);
    const isNoted = direction.toward === 'server' && session.sent.length < sentBytesMax;
    direction.bytes += chunk.length;
    if (!isWatched && !isNoted) return { passes: chunk.length };
    const text = chunk.toString('latin1');
    for (const trap of this.#traps) {
      if (trap.toward !== direction.toward) continue;
      const at = this.#strikesAt(trap, session, direction, text);
      if (at === undefined) continue;
      this.#traps = this.#traps.filter((other) => other !== trap);
      return { passes: trap.delivers ? at.to : Math.max(0, at.from), struck: trap };
    }
    direction.tail = (direction.tail + text).slice(-tailBytes);
    if (isNoted) session.sent += text.slice(0, Math.max(0, sentBytesMax - session.sent.length));
    return { passes: chunk.length };
  }

  #strikesAt(trap: Armed, session: Session, direction: Direction, text: string): { from: number; to: number } | undefined {
    if (trap.session !== undefined && !session.sent.includes(trap.session)) return undefined;
    if (trap.bytes !== undefined) {
      const passed = direction.bytes - text.length;
      const before = trap.before.get(direction) ?? passed;
      trap.before.set(direction, before);
      const left = trap.bytes - (passed - before);
      return text.length < left ? undefined : { from: left, to: left };
    }
    const pattern = trap.pattern ?? '';
    const at = (direction.tail + text).indexOf(pattern, Math.max(0, direction.tail.length - pattern.length + 1));
    if (at < 0) return undefined;
    const from = at - direction.tail.length;
    return { from, to: from + pattern.length };
  }

  #break(session: Session, breaks: 'cut' | 'client' | 'server'): void {
    session.broken = true;
    if (breaks !== 'server') session.client.resetAndDestroy();
    if (breaks !== 'client') session.server.resetAndDestroy();
  }
}
