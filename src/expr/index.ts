// expr: SQL scalar expressions over a row. PostgreSQL's grammar, its typing rules, and closures that compute what it would.
export { type BindOptions, bindCondition, bindExpression, type BoundCondition, type BoundExpression } from './expression.ts';
export type { ScopeColumn } from './binder.ts';
export type { Read } from './bound.ts';
export { EvaluationError, UnchangedValueError } from './errors.ts';
export { loadGrammar } from './grammar.ts';
export { expressionsReference } from './reference.ts';
export { findType, typeText } from './types.ts';
