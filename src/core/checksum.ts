import { toBase62 } from './base62.ts';
import { SECRET_CHECKSUM_LENGTH } from './constants.ts';

const CRC32_POLYNOMIAL = 0xedb88320;

const CRC32_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) {
    value = value & 1 ? (value >>> 1) ^ CRC32_POLYNOMIAL : value >>> 1;
  }
  return value;
});

function crc32(ascii: string): number {
  let crc = 0xffffffff;
  for (let index = 0; index < ascii.length; index++) {
    crc = (crc >>> 8) ^ (CRC32_TABLE[(crc ^ ascii.charCodeAt(index)) & 0xff] ?? 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * The CRC-32 (ISO 3309) of ASCII text in base62, left-padded to six digits, as in GitHub's tokens.
 * It tells a mistyped key from an unknown one without a look-up; it is no proof of authenticity.
 */
export function checksum(ascii: string): string {
  return toBase62(crc32(ascii), SECRET_CHECKSUM_LENGTH);
}
