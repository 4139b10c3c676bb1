// inet, cidr, macaddr, macaddr8. Binary form of the first two: family (2 or 3), bits of the mask, whether cidr, count of address bytes, address.
import { isIPv4, isIPv6 } from 'node:net';
import { fixed, type ValueForm, textual } from './value-form.ts';

const V4 = 2;
const V6 = 3;

function network(cidr: boolean): ValueForm {
  return textual(
    (bytes, start, end) => {
      if (end - start < 4) throw new RangeError('cut off');
      const family = bytes[start];
      const mask = bytes[start + 1] as number;
      const size = family === V4 ? 4 : family === V6 ? 16 : -1;
      if (bytes[start + 3] !== size || end - start !== 4 + size || mask > size * 8) throw new RangeError('no such address');
      const address = size === 4 ? bytes.subarray(start + 4, end).join('.') : v6Text(bytes, start + 4);
      return cidr || mask !== size * 8 ? `${address}/${mask}` : address;
    },
    (text, out) => {
      const [address = '', mask, ...more] = text.trim().split('/');
      const size = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 16 : 0;
      if (size === 0 || more.length > 0 || (mask !== undefined && (!/^\d{1,3}$/.test(mask) || Number(mask) > size * 8))) {
        throw new RangeError('not an address');
      }
      const bytes = size === 4 ? Buffer.from(address.split('.').map(Number)) : v6Bytes(address);
      const bits = mask === undefined ? size * 8 : Number(mask);
      if (cidr && bytes.some((byte, at) => (byte & (0xff >> Math.max(0, Math.min(8, bits - at * 8)))) !== 0)) {
        throw new RangeError('a cidr has no bits to the right of its mask');
      }
      out.u8(size === 4 ? V4 : V6).u8(bits).u8(cidr ? 1 : 0).u8(size).bytes(bytes);
    },
  );
}

export const inet: ValueForm = network(false);
export const cidr: ValueForm = network(true);

/** The longest run of zero words (two at least, the first of equals) becomes `::`; addresses that embed IPv4 end in dotted form. */
function v6Text(bytes: Buffer, start: number): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(start + i * 2));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && words[i + length] === 0) length += 1;
    if (length > bestLength) [best, bestLength] = [i, length];
  }
  const embedded = best === 0 && (bestLength === 6 || (bestLength === 5 && words[5] === 0xffff));
  const hex = (from: number, to: number): string => words.slice(from, to).map((word) => word.toString(16)).join(':');
  if (embedded) return `::${bestLength === 5 ? 'ffff:' : ''}${bytes.subarray(start + 12, start + 16).join('.')}`;
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

function v6Bytes(address: string): Buffer {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const pair = (high?: string, low?: string): string => (Number(high) * 256 + Number(low)).toString(16);
  const text = dotted ? `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}` : address;
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const words = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex');
}

function mac(size: number): ValueForm {
  return textual(
    (bytes, start, end) => {
      fixed(start, end, size);
      return (bytes.toString('hex', start, end).match(/../g) ?? []).join(':');
    },
    (text, out) => {
      const digits = text.trim().replace(/[:.-]/g, '');
      if (!/^[0-9a-f]+$/i.test(digits)) throw new RangeError('not a MAC address');
      // A macaddr8 from six bytes gets ff:fe in the middle, as PostgreSQL does.
      const full = size === 8 && digits.length === 12 ? `${digits.slice(0, 6)}fffe${digits.slice(6)}` : digits;
      if (full.length !== size * 2) throw new RangeError('not a MAC address');
      out.bytes(Buffer.from(full, 'hex'));
    },
  );
}

export const macaddr: ValueForm = mac(6);
export const macaddr8: ValueForm = mac(8);
