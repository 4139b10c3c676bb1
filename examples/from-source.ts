// Preloaded by the test: 'millrace' leads to the sources of this clone instead of to its last build.
import { registerHooks } from 'node:module';

const door = new URL('../src/index.ts', import.meta.url).href;

registerHooks({ resolve: (specifier, context, next) => (specifier === 'millrace' ? { url: door, shortCircuit: true } : next(specifier, context)) });
