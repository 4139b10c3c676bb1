// Values for the codec tests: for each type the edges of what PostgreSQL stores, and random ones. Texts, which the server reads.
import type { Random } from '../../src/base/index.ts';

const many = (count: number, make: (i: number) => string): string[] => Array.from({ length: count }, (_, i) => make(i));
const digits = (random: Random, count: number): string => many(count, () => String(random.below(10))).join('');
const two = (n: number): string => String(n).padStart(2, '0');

/** Any Unicode text without zero and without halves of surrogate pairs; often the characters that literals quote. */
export function anyText(random: Random, lengthMax = 12): string {
  return many(random.below(lengthMax), () => {
    if (random.chance(0.4)) return random.pick(Array.from('"\\\'{}()[],;: \t\n\r\v\fNULLnull&|!*<->@%'));
    const code = random.pick([0x7f, 0x7ff, 0xffff, 0x10ffff]);
    const point = random.between(1, code);
    return point >= 0xd800 && point <= 0xdfff ? '\ufffd' : String.fromCodePoint(point);
  }).join('');
}

function double(random: Random): string {
  const bytes = Buffer.from(Array.from({ length: 8 }, () => random.below(256)));
  const value = random.chance(0.3) ? random.between(-1_000_000, 1_000_000) / 10 ** random.below(8) : random.chance(0.3) ? 2 ** random.between(-1074, 1023) : bytes.readDoubleBE();
  return String(value);
}

function single(random: Random): string {
  const bytes = Buffer.from(Array.from({ length: 4 }, () => random.below(256)));
  const value = random.chance(0.3) ? Math.fround(random.between(-100_000, 100_000) / 10 ** random.below(6)) : random.chance(0.3) ? 2 ** random.between(-149, 127) : bytes.readFloatBE();
  return String(value);
}

function decimal(random: Random): string {
  const whole = random.chance(0.3) ? digits(random, random.below(60)) : digits(random, random.below(9));
  const fraction = random.chance(0.5) ? `.${'0'.repeat(random.below(12))}${digits(random, random.below(14))}${'0'.repeat(random.below(6))}` : '';
  return `${random.chance(0.5) ? '-' : ''}${whole || '0'}${fraction === '.' ? '' : fraction}`;
}

const dateOf = (random: Random, yearMax: number): string =>
  `${String(random.chance(0.7) ? random.between(1600, 2400) : random.between(1, yearMax)).padStart(4, '0')}-${two(random.between(1, 12))}-${two(random.between(1, 28))}`;
const clock = (random: Random): string =>
  `${two(random.below(24))}:${two(random.below(60))}:${two(random.below(60))}${random.chance(0.6) ? `.${digits(random, random.between(1, 6))}` : ''}`;
const moment = (random: Random): string => {
  const bc = random.chance(0.1);
  return `${dateOf(random, bc ? 4700 : 290_000)} ${clock(random)}${bc ? ' BC' : ''}`;
};
const zone = (random: Random): string => random.pick(['+00', '-03:30', '+05:45', '+15:59:59', '-15:59:59', '+12']);
const intervalOf = (random: Random): string =>
  `${random.between(-3, 3)} years ${random.between(-11, 11)} mons ${random.between(-40, 40)} days ${random.pick(['', '-'])}${random.below(400)}:${two(random.below(60))}:${two(random.below(60))}.${digits(random, 6)}`;

function jsonOf(random: Random, depth = 0): string {
  if (depth < 3 && random.chance(0.4)) {
    const items = many(random.below(4), () => jsonOf(random, depth + 1));
    return random.chance(0.5) ? `[${items.join(', ')}]` : `{${items.map((item, i) => `${JSON.stringify(anyText(random) + i)}: ${item}`).join(', ')}}`;
  }
  return random.pick(['null', 'true', JSON.stringify(anyText(random)), decimal(random).replace(/^(-?)0+(?=\d)/, '$1'), '1e20', '0.1']);
}

const pointOf = (random: Random): string => `(${double(random)},${double(random)})`;
const octets = (random: Random): string => many(4, () => String(random.below(256))).join('.');
const words = (random: Random): string => many(8, () => (random.chance(0.5) ? '0' : random.below(65_536).toString(16))).join(':');
const hex = (random: Random, bytes: number): string => Buffer.from(Array.from({ length: bytes }, () => random.below(256))).toString('hex');

/** Texts for each built-in type, by the name that SQL uses. `random` texts come on top of the edges. */
export function samples(random: Random, count: number): Record<string, string[]> {
  const timestamps = [
    'infinity', '-infinity', '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999', '0001-01-01 00:00:00', '0001-12-31 23:59:59.999999 BC', '1970-01-01 00:00:00',
    '2000-01-01 00:00:00', '1969-12-31 23:59:59.999999', '1999-12-31 23:59:59.5', '1714-01-01 00:00:00.000001', '2285-06-05 10:00:00', '2255-06-05 23:47:34.740993',
    '2286-01-01 00:00:00', '9999-12-31 23:59:59', '10000-01-01 00:00:00', '2024-02-29 12:00:00', ...many(count, () => moment(random)),
  ];
  return {
    bool: ['t', 'f'],
    int2: ['0', '-32768', '32767', ...many(count, () => String(random.between(-32_768, 32_767)))],
    int4: ['0', '-2147483648', '2147483647', ...many(count, () => String(random.between(-2_147_483_648, 2_147_483_647)))],
    int8: ['0', '-9223372036854775808', '9223372036854775807', '9007199254740993', ...many(count, () => String(BigInt.asIntN(64, BigInt(`0x${hex(random, 8)}`))))],
    oid: ['0', '4294967295', '2147483648'],
    xid: ['0', '4294967295'],
    cid: ['0', '4294967295'],
    xid8: ['0', '18446744073709551615', '9223372036854775808'],
    float4: ['0', '-0', '2348559872', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '1.17549435e-38', '100000', '1000000', '1e5', '123456', '1234567', '0.0001', '0.00001', '0.1', '16777216', '8388608',
      ...many(count * 4, () => single(random))],
    float8: ['0', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '2.2250738585072014e-308', '1.7976931348623157e308', '1e14', '1e15', '1e16', '123456789012345', '1234567890123456', '0.0001', '0.00001', '0.1', '9007199254740993', '1e22', '1e23', '5e-310',
      '5.684341886080801e-14', ...many(count * 4, () => double(random))],
    numeric: ['0', '0.0', '0.00000', '-0.1', 'NaN', 'Infinity', '-Infinity', '1', '10000', '9999', '0.0001', '0.00001', '10000.0001', '1e100', '1e-100', '100000000', '12345.678900', '999999999999.9999', '899999999999', '900000000000', '1.50',
      `${'9'.repeat(1000)}.${'8'.repeat(1000)}`, `0.${'0'.repeat(999)}1`, `1${'0'.repeat(131_071)}`, `0.${'0'.repeat(16_382)}1`, ...many(count * 3, () => decimal(random))],
    money: ['0', '-92233720368547758.08', '92233720368547758.07', '1234.5', '-0.01', '999', '1000', '-1234567.89'],
    text: ['', ' ', 'NULL', 'a\u00e9\u20ac\ud83d\ude00', '\ufffd', '\u0001', ...many(count, () => anyText(random))],
    varchar: ['', 'a ', ...many(5, () => anyText(random))],
    'char(5)': ['', 'ab', 'abcde'],
    '"char"': ['', 'a', '\\200', '\\377', '~'],
    name: ['', 'pg_class', 'a\u00e9'],
    xml: ['<a/>', '<a b="c">\u00e9</a>'],
    refcursor: ['c1'],
    bytea: ['\\x', '\\x00', '\\xdeadbeef', ...many(10, () => `\\x${hex(random, random.below(40))}`)],
    json: ['null', '"x"', '1', '12345678901234567890', '0.1234567890123456789', '1e400', '{"a": 1.10}', '[]', '{"__proto__": 1}', '{"a":{"b":[1,null,"\\u0000"]}}', '-0', ...many(count, () => jsonOf(random))],
    jsonb: ['null', '"x"', '1', '12345678901234567890', '0.1234567890123456789', '1e400', '[[1, 2], {"b": null}]', '{"__proto__": 1}', '9007199254740993', '-1.7976931348623157e308', ...many(count, () => jsonOf(random))],
    jsonpath: ['$', '$.a[*] ? (@ > 1)', 'strict $."x y"'],
    date: ['infinity', '-infinity', '4714-11-24 BC', '5874897-12-31', '0001-01-01', '0001-12-31 BC', '2000-01-01', '1970-01-01', '2024-02-29', '9999-12-31', '10000-01-01', ...many(count, () => dateOf(random, 5_000_000))],
    time: ['00:00:00', '24:00:00', '23:59:59.999999', '00:00:00.000001', ...many(count, () => clock(random))],
    timetz: ['00:00:00+00', '24:00:00-15:59:59', '23:59:59.999999+15:59:59', ...many(count, () => clock(random) + zone(random))],
    timestamp: timestamps,
    timestamptz: [...timestamps, ...many(count, () => moment(random).replace(/( BC)?$/, `${zone(random)}$1`))],
    interval: ['0', '1 day', '-1 day', '1 mon', '-1 mon', '1 year', '178956970 years 7 mons', '-178956970 years -8 mons', '2147483647 days', '-2147483648 days', '2562047788:00:54.775807', '-2562047788:00:54.775807',
      '1 year -1 day', '-1 year 1 day 00:00:01', '-1 mon +1 day -00:00:00.000001', ...many(count, () => intervalOf(random))],
    uuid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
    inet: ['0.0.0.0', '255.255.255.255', '192.168.1.5/24', '10.0.0.0/8', '::', '::1', '::2/127', '::ffff:1.2.3.4', '::1.2.3.4', '1::', '1:0:0:2::3', '2001:db8::/32', '::1:0:0:0:0:0:1', '1:2:3:4:5:6:7:8', '0:0:1::', '1:0:2:0:0:3:0:0', '::ffff:0:0', '::1:2:3',
      ...many(count, () => (random.chance(0.5) ? octets(random) : words(random)) + (random.chance(0.5) ? `/${random.below(33)}` : ''))],
    cidr: ['0.0.0.0/0', '10.0.0.0/8', '192.168.1.0/24', '1.2.3.4', '2001:db8::/32', '::/0', '::ffff:1.2.3.0/120', '128.0.0.0/1'],
    macaddr: ['00:00:00:00:00:00', '08-00-2b-01-02-03', 'ff:ff:ff:ff:ff:ff'],
    macaddr8: ['08:00:2b:01:02:03', 'ff:ff:ff:ff:ff:ff:ff:ff'],
    'bit(9)': ['000000000', '101010101', '111111111'],
    varbit: ['', '1', '10000000', '101010101', ...many(10, () => many(random.below(40), () => String(random.below(2))).join(''))],
    point: ['(0,0)', '(-0,NaN)', '(Infinity,-Infinity)', ...many(10, () => pointOf(random))],
    line: ['{1,2,3}', '{-1,0,0.5}'],
    lseg: ['[(1,2),(3,4)]', ...many(5, () => `[${pointOf(random)},${pointOf(random)}]`)],
    box: ['(3,4),(1,2)', '(1,2),(3,4)'],
    path: ['[(1,2),(3,4)]', '((1,2),(3,4))', '[(1,2)]'],
    polygon: ['((1,2),(3,4),(5,6))', '((1,2))'],
    circle: ['<(1,2),3>', '<(1,2),0>'],
    tsvector: ['', 'a b c', "'it''s' 'back\\\\slash' ':' ''''", 'a:1A,2B,3C,4D b:16383 a:9', "'sp ace':1 zz:5 b:3", ...many(count, () => many(random.below(5), () => `'${`x${anyText(random)}`.replaceAll('\\', '\\\\').replaceAll("'", "''")}':${random.between(1, 90)}${random.pick(['A', 'B', 'C', 'D'])}`).join(' '))],
    tsquery: ['', 'a', 'a & b', 'a | b & c', '(a | b) & c', '!a', '!(a & b)', '!!a', 'a <-> b', 'a <2> b', '(a <-> b) <-> c', 'a <-> (b <-> c)', 'a <-> (b & c)', 'a:*', 'a:AB', "'it''s':*D & 'x y'", '!a <-> b', 'a & (b & c)', '(a & b) & c', 'a | (b | c)',
      "'back\\\\slash'", '!(a <-> b)', '(!a) & b', 'a <0> b', '(a | b) <-> (c | !d)'],
    pg_lsn: ['0/0', 'FFFFFFFF/FFFFFFFF', '16/B374D848'],
    tid: ['(0,1)', '(4294967295,65535)'],
    pg_snapshot: ['10:20:10,14,15', '10:10:', '1:9223372036854775807:'],
    txid_snapshot: ['10:20:10,14,15'],
    int2vector: ['', '1', '1 -2 3'],
    oidvector: ['', '1', '1 4294967295'],
    int4range: ['empty', '(,)', '[1,5)', '[1,)', '(,5)', '[1,5]', '[-2147483648,2147483647)'],
    int8range: ['empty', '[1,9007199254740993)'],
    numrange: ['(1.50,2.5]', '[1,)', '[-Infinity,NaN]', '(,1)'],
    daterange: ['[2024-01-01,2024-02-01)', '[-infinity,infinity]', '(,infinity)', '["0044-03-15 BC",2024-01-01)'],
    tsrange: ['["2024-01-01 00:00:00",infinity)', '(-infinity,infinity)', '["0044-03-15 00:00:00 BC",)', 'empty'],
    tstzrange: ['["2024-01-01 00:00:00+00","2024-01-01 00:00:00.000001+00"]', '[-infinity,infinity]'],
    int4multirange: ['{}', '{[1,2),[5,9)}', '{(,1),[3,)}'],
    int8multirange: ['{[1,2)}'],
    nummultirange: ['{[1.5,2.5],(7,)}'],
    datemultirange: ['{[2024-01-01,2024-02-01),[2025-01-01,)}'],
    tsmultirange: ['{["2024-01-01 00:00:00","2024-01-02 00:00:00"],["2025-01-01 00:00:00",infinity)}'],
    tstzmultirange: ['{[-infinity,"2024-01-01 00:00:00+00")}'],
  };
}

/** A literal of an array of these texts, sometimes of two dimensions, sometimes with other lower bounds, with NULLs among them. */
export function arrayLiteral(random: Random, texts: readonly string[], delimiter: string): string {
  const quoted = (): string => (random.chance(0.2) ? 'NULL' : `"${random.pick(texts).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  const [rows, columns] = [random.between(1, 3), random.between(1, 3)];
  const list = (count: number, make: () => string): string => `{${many(count, make).join(delimiter)}}`;
  if (random.chance(0.5)) {
    const low = random.between(-3, 3);
    return `${random.chance(0.3) ? `[${low}:${low + columns - 1}]=` : ''}${list(columns, quoted)}`;
  }
  const low = random.between(-3, 3);
  return `${random.chance(0.3) ? `[${low}:${low + rows - 1}][2:${1 + columns}]=` : ''}${list(rows, () => list(columns, quoted))}`;
}
