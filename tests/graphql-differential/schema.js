// Our schema as graphql-js has it, with what our scalars take.
import { buildSchema, GraphQLError, Kind, valueFromASTUntyped } from 'graphql';

// Whether our Decimal holds a number exactly: 96 bits, and 28 digits after the point.
function fits(text) {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (sign === undefined || text.length > 64) return false;
  const digits = `${whole}${fraction}`.replace(/0+$/, '');
  if (!/[1-9]/.test(digits)) return true;
  const scale = digits.length - whole.length - Number(exponent);
  if (scale > 28 || scale < -29) return false;
  return BigInt(digits) * 10n ** BigInt(Math.max(0, -scale)) < 2n ** 96n;
}
const decimal = (value) => /^[+-]?\d*\.?\d+$/.test(value) || /^[+-]?\d+\.?$/.test(value);
const time = (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value));

const takes = {
  EmailAddress: (value) => typeof value === 'string',
  URL: (value) => typeof value === 'string',
  CurrencyCode: (value) => typeof value === 'string',
  TimeZone: (value) => typeof value === 'string',
  DateTime: (value) => typeof value === 'string' && time(value),
  Decimal: (value) => (typeof value === 'string' && decimal(value)) || (typeof value === 'number' && fits(String(value))),
};

export function readSchema(text) {
  const schema = buildSchema(text);
  for (const [name, taken] of Object.entries(takes)) {
    const scalar = schema.getType(name);
    scalar.parseValue = (value) => {
      if (!taken(value)) throw new GraphQLError(`${name} does not take this`);
      return value;
    };
    scalar.parseLiteral = (node, variables) => {
      // A number counts as it is written.
      if (name === 'Decimal' && (node.kind === Kind.INT || node.kind === Kind.FLOAT)) {
        if (!fits(node.value)) throw new GraphQLError('Decimal does not hold this');
        return node.value;
      }
      if (node.kind === Kind.ENUM) throw new GraphQLError(`${name} takes no name`);
      return scalar.parseValue(valueFromASTUntyped(node, variables));
    };
  }
  return schema;
}
