// capture: answers for `sources`. Keeps a source open, its changes on the bus, and its slot moving.
export { Capture, type SourceMemory } from './capture.ts';
