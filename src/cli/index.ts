// cli: one file per command. The door exists for scripts: the reference page is made from the commands' descriptions.
export { cliReference } from './reference.ts';
