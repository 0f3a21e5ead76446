/** Values of DuckDB as JSON that loses no digit. */
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import { rawNumber } from '../../tools/exact-json.ts';

export function toJsonValue(value: DuckDBValue): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'bigint') return rawNumber(String(value));
  if (typeof value === 'number') return readableNumber(value);
  if (value instanceof DuckDBDecimalValue) return rawNumber(withoutTrailingZeros(value.toString()));
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBDateValue) return value.toString();
  if (value instanceof DuckDBListValue) return value.items.map(toJsonValue);
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([key, entry]) => [key, toJsonValue(entry)]));
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: entry }) => [toJsonValue(key), toJsonValue(entry)]);
  return String(value);
}

/** 15 significant digits hide the noise of binary fractions, such as 0.1 + 0.2. */
function readableNumber(value: number): unknown {
  if (!Number.isFinite(value)) return String(value);
  // Written out, it would have digits that nobody knows.
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return rawNumber(Number(value.toPrecision(15)).toExponential());
  return Math.abs(value) >= 1e15 || Number.isSafeInteger(value) ? value : Number(value.toPrecision(15));
}

function withoutTrailingZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}
