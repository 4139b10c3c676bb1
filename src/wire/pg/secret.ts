// A password that is read when a connection is made, so that one which was changed meanwhile is found.

export interface Secret {
  /** The password; undefined: none. `refused`: one that the server did not take. May throw a retriable MillraceError. */
  read(refused?: string): Promise<string | undefined>;
}
