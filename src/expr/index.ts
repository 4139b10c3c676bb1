// expr: SQL scalar expressions over a row. PostgreSQL's grammar, its typing rules, and closures that compute what it would.
export { bindCondition, bindExpression, type BoundExpression } from './expression.ts';
export type { ScopeColumn } from './binder.ts';
export { EvaluationError, UnchangedValueError } from './errors.ts';
export { loadGrammar } from './grammar.ts';
export { indexName, type ParsedIndex, parseIndex } from './index-definition.ts';
export { expressionsReference } from './reference.ts';
export { findType } from './types.ts';
