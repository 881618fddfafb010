// Documents that are mostly valid, made from the schema.
import {
  getNamedType, getNullableType, isCompositeType, isEnumType, isInputObjectType, isInterfaceType, isLeafType,
  isListType, isNonNullType, isObjectType, isUnionType, isRequiredArgument, isRequiredInputField, Kind, OperationTypeNode,
} from 'graphql';

const name = (value) => ({ kind: Kind.NAME, value });
// As texts, because a double is not what is written: 64 bits hold the first three only.
const numbers = ['12.5', '-1', '1e3', '12345678901234567890.12', '123456789012345678901234', '0.1000000000000000055', '-1.5e-9', '1E+25', '2.0', '-0', '0e400', '18446744073709551615'];
const tooLarge = ['1e400', '1e29', '123456789012345678901234567890'];
const tooLong = [...tooLarge, '1e-400', '0.10000000000000000000000000001'];
const ids = ['7', '-1', '-0', '18446744073709551615', '-9223372036854775809', '123456789012345678901234'];
const texts = ['', 'a', 'Zoë', '😀', 'line\nbreak', '"quoted"', '\\', '2026-01-31T12:00:00Z', '12.50', 'x'.repeat(40)];

export class Generator {
  constructor(schema, random) {
    this.schema = schema;
    this.random = random;
  }

  // `kind` is query, mutation or subscription; `plain` documents take no variables, arguments as few as can be, and name the
  // type of everything.
  document(kind, plain = false) {
    this.variables = new Map();
    this.fragments = [];
    this.names = 0;
    this.plain = plain;
    const root = this.schema.getRootType(kind);
    const most = kind === OperationTypeNode.SUBSCRIPTION ? 1 : kind === OperationTypeNode.MUTATION ? 2 : 3;
    const selectionSet = this.selectionSet(root, 0, most);
    const definitions = [...this.variables].map(([variable, { type, defaultValue }]) => ({
      kind: Kind.VARIABLE_DEFINITION,
      variable: { kind: Kind.VARIABLE, name: name(variable) },
      type: typeNode(type),
      defaultValue,
      directives: [],
    }));
    const operation = {
      kind: Kind.OPERATION_DEFINITION,
      operation: kind,
      name: this.random.chance(0.5) || definitions.length ? name('Q') : undefined,
      variableDefinitions: definitions,
      directives: [],
      selectionSet,
    };
    const declared = new Map([...this.variables].map(([variable, { type }]) => [variable, type]));
    return { document: { kind: Kind.DOCUMENT, definitions: [operation, ...this.fragments] }, variables: declared };
  }

  fields(type) {
    const fields = isUnionType(type) ? [] : Object.values(type.getFields());
    return this.plain ? fields.filter((field) => !field.args.some(isRequiredArgument)) : fields;
  }

  selectionSet(type, depth, most = 4) {
    const { random } = this;
    const deep = depth >= 3 + random.below(2);
    let fields = this.fields(type);
    if (deep) fields = fields.filter((field) => isLeafType(getNamedType(field.type)));
    const selections = fields.length ? random.some(fields, most).map((field) => this.field(field, depth)) : [];
    const abstract = isInterfaceType(type) || isUnionType(type);
    if (abstract && !deep) {
      for (const object of random.some(this.schema.getPossibleTypes(type), 2)) {
        selections.push(this.inline(object, depth));
      }
    }
    if (this.plain ? depth > 0 : !selections.length || (depth > 0 && random.chance(0.2))) {
      selections.push({ kind: Kind.FIELD, alias: this.plain ? name('t') : undefined, name: name('__typename'), arguments: [], directives: [] });
    }
    if (depth > 0 && random.chance(0.08)) selections.push(this.inline(type, depth));
    if (depth > 0 && random.chance(0.08)) selections.push(structuredClone(random.pick(selections)));
    const set = { kind: Kind.SELECTION_SET, selections };
    return random.chance(0.08) ? this.moved(type, set) : set;
  }

  inline(type, depth) {
    const typeCondition = { kind: Kind.NAMED_TYPE, name: name(type.name) };
    return {
      kind: Kind.INLINE_FRAGMENT,
      typeCondition,
      directives: this.conditions(),
      selectionSet: this.selectionSet(type, depth + 1, 2),
    };
  }

  // The selection as a fragment.
  moved(type, selectionSet) {
    const fragment = `F${this.names++}`;
    this.fragments.push({
      kind: Kind.FRAGMENT_DEFINITION,
      name: name(fragment),
      typeCondition: { kind: Kind.NAMED_TYPE, name: name(type.name) },
      directives: [],
      selectionSet,
    });
    const spread = { kind: Kind.FRAGMENT_SPREAD, name: name(fragment), directives: this.conditions() };
    return { kind: Kind.SELECTION_SET, selections: this.random.chance(0.2) ? [spread, structuredClone(spread)] : [spread] };
  }

  conditions() {
    if (!this.random.chance(0.06)) return [];
    const value = this.plain || this.random.chance(0.6)
      ? { kind: Kind.BOOLEAN, value: this.random.chance(0.5) }
      : this.variable(this.schema.getDirective('skip').args[0].type);
    return [{
      kind: Kind.DIRECTIVE,
      name: name(this.random.pick(['skip', 'include'])),
      arguments: [{ kind: Kind.ARGUMENT, name: name('if'), value }],
    }];
  }

  field(field, depth) {
    const { random } = this;
    const given = field.args.filter((argument) => isRequiredArgument(argument) || (!this.plain && random.chance(0.3)));
    const type = getNamedType(field.type);
    return {
      kind: Kind.FIELD,
      alias: random.chance(0.1) ? name(random.chance(0.8) ? `k${this.names++}` : random.pick(['id', 'name', 'x'])) : undefined,
      name: name(field.name),
      arguments: given.map((argument) => ({
        kind: Kind.ARGUMENT,
        name: name(argument.name),
        value: this.input(argument.type),
      })),
      directives: depth > 0 ? this.conditions() : [],
      selectionSet: isCompositeType(type) ? this.selectionSet(type, depth + 1) : undefined,
    };
  }

  input(type, depth = 0) {
    return !this.plain && this.random.chance(depth ? 0.08 : 0.3) ? this.variable(type) : this.literal(type, depth);
  }

  variable(type) {
    for (const [variable, known] of this.variables) {
      if (String(known.type) === String(type) && this.random.chance(0.5)) return { kind: Kind.VARIABLE, name: name(variable) };
    }
    const variable = `v${this.variables.size}`;
    const defaultValue = this.random.chance(0.15) ? this.literal(type, 2) : undefined;
    this.variables.set(variable, { type, defaultValue });
    return { kind: Kind.VARIABLE, name: name(variable) };
  }

  literal(type, depth = 0) {
    const { random } = this;
    if (isNonNullType(type)) return this.literal(type.ofType, depth);
    if (random.chance(0.03)) return { kind: Kind.NULL };
    if (isListType(type)) {
      if (random.chance(0.2)) return this.literal(type.ofType, depth);
      return { kind: Kind.LIST, values: Array.from({ length: random.below(3) }, () => this.literal(type.ofType, depth + 1)) };
    }
    if (isEnumType(type)) return { kind: Kind.ENUM, value: random.pick(type.getValues()).name };
    if (isInputObjectType(type)) {
      const fields = this.inputFields(type, depth).map((field) => ({
        kind: Kind.OBJECT_FIELD,
        name: name(field.name),
        value: this.input(field.type, depth + 1),
      }));
      return { kind: Kind.OBJECT, fields };
    }
    const text = (value) => ({ kind: Kind.STRING, value, block: random.chance(0.1) });
    const int = () => ({ kind: Kind.INT, value: String(random.below(200) - 50) });
    const number = (value) => ({ kind: /^-?\d+$/.test(value) ? Kind.INT : Kind.FLOAT, value });
    const float = () => ({ kind: Kind.FLOAT, value: random.pick(['1.5', '-0.25', '1e3', '2.0']) });
    switch (type.name) {
      case 'Int': return int();
      case 'Float': return random.chance(0.5) ? int() : float();
      case 'Boolean': return { kind: Kind.BOOLEAN, value: random.chance(0.5) };
      case 'ID': return random.chance(0.2) ? number(random.pick(ids)) : text(random.pick(texts));
      case 'Decimal': return random.chance(0.5) ? number(random.pick(random.chance(0.2) ? tooLong : numbers)) : text(random.pick(['12.50', '0', '-1.5']));
      case 'DateTime': return text('2026-01-31T12:00:00Z');
      case 'JSON': return random.pick([text('a'), int(), float(), number(random.pick(numbers)), { kind: Kind.ENUM, value: 'a' }, { kind: Kind.LIST, values: [int(), text('b')] }, {
        kind: Kind.OBJECT,
        fields: random.some(['b', 'a', 'a10', 'a9'], 4).map((key) => ({ kind: Kind.OBJECT_FIELD, name: name(key), value: number(random.pick(numbers)) })),
      }, { kind: Kind.OBJECT, fields: [] }]);
      default: return text(random.pick(texts));
    }
  }

  inputFields(type, depth) {
    const fields = Object.values(type.getFields());
    const { random } = this;
    if (type.isOneOf) {
      const flat = fields.filter((field) => isLeafType(getNamedType(field.type)));
      return [random.pick(depth > 1 && flat.length ? flat : fields)];
    }
    return fields.filter((field) => isRequiredInputField(field) || (depth < 3 && random.chance(0.3)));
  }

  // A value for a variable, as JSON; `wrong` says how likely each part of it does not fit.
  json(type, wrong, depth = 0) {
    const { random } = this;
    if (random.chance(wrong)) {
      return random.pick([null, 1, 1.5, 2147483648, -2147483649, 3.0, '', 'x', '1', true, [], {}, [[1]], { x: 1 }, ['a', null], 'RED', 1e15]);
    }
    if (isNonNullType(type)) return this.json(type.ofType, wrong, depth);
    if (random.chance(0.05)) return null;
    if (isListType(type)) {
      if (random.chance(0.2)) return this.json(type.ofType, wrong, depth);
      return Array.from({ length: random.below(3) }, () => this.json(type.ofType, wrong, depth + 1));
    }
    if (isEnumType(type)) return random.pick(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = this.inputFields(type, depth).filter(() => !random.chance(wrong / 2));
      const value = Object.fromEntries(fields.map((field) => [field.name, this.json(field.type, wrong, depth + 1)]));
      if (random.chance(wrong / 2)) value[random.pick(['unknown', 'id', 'name'])] = 1;
      return value;
    }
    switch (type.name) {
      case 'Int': return random.pick([0, 1, -5, 2147483647]);
      case 'Float': return random.pick([0, 1.5, -3]);
      case 'Boolean': return random.chance(0.5);
      case 'ID': return random.pick(['a', '', 7, raw(random.pick(ids))]);
      case 'Decimal': return random.pick(['12.50', '3', 2, raw(random.pick(numbers)), raw(random.pick(tooLarge))]);
      case 'DateTime': return '2026-01-31T12:00:00Z';
      case 'JSON': return random.pick([null, 1, 'a', raw(random.pick(numbers)), raw(random.pick(tooLong)), [1, { a: null }], { b: 'c' }]);
      default: return random.pick(texts);
    }
  }
}

// Numbers as they are to stand in JSON, which no value of JavaScript can say.
const RAW = 'number as written: ';
const raw = (text) => `${RAW}${text}`;
export const toJson = (value) => JSON.stringify(value).replaceAll(new RegExp(`"${RAW}([^"]*)"`, 'g'), '$1');

export function typeNode(type) {
  if (isNonNullType(type)) return { kind: Kind.NON_NULL_TYPE, type: typeNode(getNullableType(type)) };
  if (isListType(type)) return { kind: Kind.LIST_TYPE, type: typeNode(type.ofType) };
  return { kind: Kind.NAMED_TYPE, name: name(type.name) };
}
