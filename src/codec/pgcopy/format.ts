// The frame of COPY BINARY: signature, flags and length of an extension before the rows, −1 behind them.
// Format: PostgreSQL's manual, SQL command COPY, "Binary Format".

export const COPY_SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');

/** What goes before the first row of COPY IN: the signature, no flags, no extension. 19 bytes. */
export const COPY_HEADER = Buffer.concat([COPY_SIGNATURE, Buffer.alloc(8)]);

/** What goes behind the last row of COPY IN. */
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);
