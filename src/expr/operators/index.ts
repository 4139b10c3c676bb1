// All operators.
import { tableOf } from '../routine.ts';
import { arithmeticOperators } from './arithmetic.ts';
import { comparisonOperators } from './comparison.ts';
import { jsonOperators } from './json.ts';
import { textOperators } from './text.ts';
import { timeOperators } from './time.ts';

export const operators = tableOf(arithmeticOperators, comparisonOperators, textOperators, timeOperators, jsonOperators);
