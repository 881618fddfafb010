// Our schema as graphql-js has it, with what our scalars take.
import { buildSchema, GraphQLError, Kind, valueFromASTUntyped } from 'graphql';

const decimal = (value) => /^[+-]?\d*\.?\d+$/.test(value) || /^[+-]?\d+\.?$/.test(value);
const time = (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value));

const takes = {
  EmailAddress: (value) => typeof value === 'string',
  URL: (value) => typeof value === 'string',
  CurrencyCode: (value) => typeof value === 'string',
  TimeZone: (value) => typeof value === 'string',
  DateTime: (value) => typeof value === 'string' && time(value),
  Decimal: (value) => (typeof value === 'string' && decimal(value)) || typeof value === 'number',
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
      if (node.kind === Kind.ENUM) throw new GraphQLError(`${name} takes no name`);
      return scalar.parseValue(valueFromASTUntyped(node, variables));
    };
  }
  return schema;
}
