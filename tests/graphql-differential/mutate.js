// Ways to break a document, at least one for each rule of validation. Each takes the tree, which it may change, and says
// whether it found something to break; or it takes the text.
import { Kind, visit } from 'graphql';

const name = (value) => ({ kind: Kind.NAME, value });
const argument = (key, value) => ({ kind: Kind.ARGUMENT, name: name(key), value });
const field = (key, rest = {}) => ({ kind: Kind.FIELD, name: name(key), arguments: [], directives: [], ...rest });
const set = (selections) => ({ kind: Kind.SELECTION_SET, selections });
const directive = (key, given = []) => ({ kind: Kind.DIRECTIVE, name: name(key), arguments: given });
const skip = () => directive('skip', [argument('if', { kind: Kind.BOOLEAN, value: false })]);

const values = [
  { kind: Kind.INT, value: '1' },
  { kind: Kind.INT, value: '2147483648' },
  { kind: Kind.INT, value: '-0' },
  { kind: Kind.FLOAT, value: '1.0' },
  { kind: Kind.STRING, value: 'RED' },
  { kind: Kind.STRING, value: '1' },
  { kind: Kind.BOOLEAN, value: true },
  { kind: Kind.NULL },
  { kind: Kind.ENUM, value: 'NO_SUCH_VALUE' },
  { kind: Kind.ENUM, value: 'ACTIVE' },
  { kind: Kind.LIST, values: [] },
  { kind: Kind.LIST, values: [{ kind: Kind.NULL }] },
  { kind: Kind.LIST, values: [{ kind: Kind.INT, value: '1' }, { kind: Kind.STRING, value: 'a' }] },
  { kind: Kind.OBJECT, fields: [] },
  { kind: Kind.OBJECT, fields: [{ kind: Kind.OBJECT_FIELD, name: name('id'), value: { kind: Kind.INT, value: '1' } }] },
  { kind: Kind.VARIABLE, name: name('nowhere') },
];
const literals = new Set([Kind.INT, Kind.FLOAT, Kind.STRING, Kind.BOOLEAN, Kind.NULL, Kind.ENUM, Kind.LIST, Kind.OBJECT, Kind.VARIABLE]);

const respell = {
  [Kind.INT]: (node, random) => { Object.assign(node, random.pick([{ value: node.value === '0' ? '-0' : node.value }, { kind: Kind.FLOAT, value: `${node.value}.0` }, { kind: Kind.FLOAT, value: `${node.value}e0` }])); },
  [Kind.FLOAT]: (node, random) => {
    const { value } = node;
    const other = value.includes('e') ? [value.replace('e', 'E'), value.replace('e', 'e+').replace('+-', '-')] : [`${value}e0`, value.includes('.') ? `${value}0` : value];
    node.value = random.pick([value, ...other]);
  },
  [Kind.STRING]: (node, random) => { if (random.chance(0.7)) node.block = !node.block; },
  [Kind.ENUM]: (node, random) => { if (random.chance(0.5)) node.kind = Kind.STRING; },
  [Kind.OBJECT]: (node) => { node.fields.reverse(); },
};

// All nodes of a kind, with what holds them.
function nodes(document, wanted) {
  const found = [];
  visit(document, {
    enter(node, key, parent) {
      if (wanted(node)) found.push({ node, key, parent });
    },
  });
  return found;
}

function one(document, random, wanted) {
  const found = nodes(document, wanted);
  return found.length ? random.pick(found) : undefined;
}

const is = (...kinds) => (node) => kinds.includes(node.kind);
const isValue = ({ parent, key }) => (parent?.kind === Kind.ARGUMENT || parent?.kind === Kind.OBJECT_FIELD) && key === 'value';

// The first found node is changed by `change`.
const at = (wanted, change) => (document, random, generator) => {
  const found = one(document, random, wanted);
  return Boolean(found) && change(found.node, random, generator, found, document) !== false;
};

const operation = (document) => document.definitions.find(is(Kind.OPERATION_DEFINITION));
const composite = (node) => node.kind === Kind.FIELD && node.selectionSet;
const leaf = (node) => node.kind === Kind.FIELD && !node.selectionSet;
const withArguments = (node) => node.kind === Kind.FIELD && node.arguments.length > 0;
const typeName = (random, generator) => random.pick(Object.keys(generator.schema.getTypeMap()).concat('NoSuchType'));

export const mutations = {
  unknownField: at(is(Kind.FIELD), (node) => { node.name = name(`${node.name.value}x`); }),
  otherField: at(is(Kind.FIELD), (node, random) => { node.name = name(random.pick(['id', 'name', 'nodes', 'status', 'createdAt', '__typename', '__schema'])); }),
  noSelection: at(composite, (node) => { node.selectionSet = undefined; }),
  selectionOfLeaf: at(leaf, (node) => { node.selectionSet = set([field('id')]); }),
  dropArgument: at(withArguments, (node, random) => { node.arguments.splice(random.below(node.arguments.length), 1); }),
  repeatArgument: at(withArguments, (node, random) => { node.arguments.push(structuredClone(random.pick(node.arguments))); }),
  renameArgument: at(is(Kind.ARGUMENT), (node) => { node.name = name(`${node.name.value}x`); }),
  extraArgument: at(is(Kind.FIELD), (node) => { node.arguments.push(argument('first', values[0])); }),
  otherValue: (document, random) => {
    const found = nodes(document, (node) => literals.has(node.kind)).filter(isValue);
    if (!found.length) return false;
    random.pick(found).parent.value = structuredClone(random.pick(values));
    return true;
  },
  inList: (document, random) => {
    const found = nodes(document, (node) => literals.has(node.kind)).filter(isValue);
    if (!found.length) return false;
    const { node, parent } = random.pick(found);
    parent.value = { kind: Kind.LIST, values: [node] };
    return true;
  },
  outOfList: at((node) => node.kind === Kind.LIST && node.values.length > 0, (node, random, _, { parent }) => {
    if (!parent || !('value' in parent)) return false;
    parent.value = node.values[0];
  }),
  enumAsText: at(is(Kind.ENUM), (node) => { node.kind = Kind.STRING; }),
  textAsEnum: at((node) => node.kind === Kind.STRING && /^[a-z]+$/i.test(node.value), (node) => { node.kind = Kind.ENUM; }),
  otherEnum: at(is(Kind.ENUM), (node) => { node.value = node.value.toLowerCase(); }),
  largeInt: at(is(Kind.INT), (node, random) => { node.value = random.pick(['2147483647', '2147483648', '-2147483648', '-2147483649']); }),
  floatForInt: at(is(Kind.INT), (node) => { node.kind = Kind.FLOAT; node.value = '1.0'; }),
  dropInputField: at((node) => node.kind === Kind.OBJECT && node.fields.length > 0, (node, random) => { node.fields.splice(random.below(node.fields.length), 1); }),
  unknownInputField: at(is(Kind.OBJECT), (node) => { node.fields.push({ kind: Kind.OBJECT_FIELD, name: name('unknownField'), value: values[0] }); }),
  repeatInputField: at((node) => node.kind === Kind.OBJECT && node.fields.length > 0, (node) => { node.fields.push(structuredClone(node.fields[0])); }),
  nullInputField: at(is(Kind.OBJECT_FIELD), (node) => { node.value = { kind: Kind.NULL }; }),
  dropVariable: (document, random) => {
    const defined = operation(document).variableDefinitions;
    if (!defined.length) return false;
    defined.splice(random.below(defined.length), 1);
    return true;
  },
  unusedVariable: (document) => {
    const query = operation(document);
    query.name ??= name('Q');
    query.variableDefinitions.push({
      kind: Kind.VARIABLE_DEFINITION,
      variable: { kind: Kind.VARIABLE, name: name('unused') },
      type: { kind: Kind.NAMED_TYPE, name: name('Int') },
    });
    return true;
  },
  repeatVariable: at(is(Kind.VARIABLE_DEFINITION), (node, random, generator, found, document) => { operation(document).variableDefinitions.push(structuredClone(node)); }),
  otherVariableType: at(is(Kind.VARIABLE_DEFINITION), (node, random, generator) => { node.type = { kind: Kind.NAMED_TYPE, name: name(typeName(random, generator)) }; }),
  nullableVariable: at((node) => node.kind === Kind.VARIABLE_DEFINITION && node.type.kind === Kind.NON_NULL_TYPE, (node) => { node.type = node.type.type; }),
  nonNullVariable: at((node) => node.kind === Kind.VARIABLE_DEFINITION && node.type.kind !== Kind.NON_NULL_TYPE, (node) => { node.type = { kind: Kind.NON_NULL_TYPE, type: node.type }; }),
  listVariable: at(is(Kind.VARIABLE_DEFINITION), (node) => { node.type = { kind: Kind.LIST_TYPE, type: node.type }; }),
  itemVariable: at((node) => node.kind === Kind.VARIABLE_DEFINITION && node.type.kind === Kind.LIST_TYPE, (node) => { node.type = node.type.type; }),
  nullableItems: at((node) => node.kind === Kind.LIST_TYPE && node.type.kind === Kind.NON_NULL_TYPE, (node) => { node.type = node.type.type; }),
  defaultOfVariable: at(is(Kind.VARIABLE_DEFINITION), (node, random) => { node.defaultValue = structuredClone(random.pick(values.slice(0, -1))); }),
  directiveOfVariable: at(is(Kind.VARIABLE_DEFINITION), (node) => { node.directives = [skip()]; }),
  unknownFragment: at(is(Kind.FRAGMENT_SPREAD), (node) => { node.name = name('Nowhere'); }),
  unusedFragment: (document) => {
    document.definitions.push({
      kind: Kind.FRAGMENT_DEFINITION,
      name: name('Unused'),
      typeCondition: { kind: Kind.NAMED_TYPE, name: name('Query') },
      directives: [],
      selectionSet: set([field('__typename')]),
    });
    return true;
  },
  repeatFragment: at(is(Kind.FRAGMENT_DEFINITION), (node, random, generator, found, document) => { document.definitions.push(structuredClone(node)); }),
  fragmentCircle: at(is(Kind.FRAGMENT_DEFINITION), (node) => {
    node.selectionSet.selections.push({ kind: Kind.FRAGMENT_SPREAD, name: node.name, directives: [] });
  }),
  otherCondition: at(is(Kind.FRAGMENT_DEFINITION, Kind.INLINE_FRAGMENT), (node, random, generator) => {
    node.typeCondition = { kind: Kind.NAMED_TYPE, name: name(typeName(random, generator)) };
  }),
  noCondition: at(is(Kind.INLINE_FRAGMENT), (node) => { node.typeCondition = undefined; }),
  inlineOfOtherType: at(is(Kind.SELECTION_SET), (node, random, generator) => {
    const type = typeName(random, generator);
    node.selections.push({ kind: Kind.INLINE_FRAGMENT, typeCondition: { kind: Kind.NAMED_TYPE, name: name(type) }, directives: [], selectionSet: set([field('__typename')]) });
  }),
  unknownDirective: at(is(Kind.FIELD, Kind.INLINE_FRAGMENT, Kind.FRAGMENT_SPREAD), (node) => { node.directives.push(directive('unknown')); }),
  repeatDirective: at(is(Kind.FIELD, Kind.INLINE_FRAGMENT), (node) => { node.directives.push(skip(), skip()); }),
  directiveAtDefinition: at(is(Kind.OPERATION_DEFINITION, Kind.FRAGMENT_DEFINITION), (node) => { node.directives = [skip()]; }),
  schemaDirective: at(is(Kind.FIELD), (node, random) => { node.directives.push(directive(random.pick(['deprecated', 'oneOf', 'specifiedBy']))); }),
  directiveWithoutArgument: at(is(Kind.INLINE_FRAGMENT), (node) => { node.directives.push(directive('include')); }),
  directiveOfText: at(is(Kind.INLINE_FRAGMENT), (node) => { node.directives.push(directive('include', [argument('if', values[4])])); }),
  conflictingAlias: at((node) => node.kind === Kind.SELECTION_SET && node.selections.filter(is(Kind.FIELD)).length > 1, (node, random) => {
    const [a, b] = random.some(node.selections.filter(is(Kind.FIELD)), 1).concat(node.selections.filter(is(Kind.FIELD)));
    a.alias = name((b.alias ?? b.name).value);
  }),
  conflictingArguments: at(is(Kind.SELECTION_SET), (node, random) => {
    const repeated = node.selections.filter(withArguments);
    if (!repeated.length) return false;
    const twin = structuredClone(random.pick(repeated));
    twin.arguments[0].value = structuredClone(random.pick(values.slice(0, 5)));
    node.selections.push(twin);
  }),
  // The same value, or the same as far as it is compared by value, and always written in another way or order.
  respelledArguments: (document, random) => {
    const sets = nodes(document, is(Kind.SELECTION_SET)).map(({ node }) => [node, node.selections.filter(withArguments)]);
    const found = sets.filter(([, repeated]) => repeated.length);
    if (!found.length) return false;
    const [held, repeated] = random.pick(found);
    const twin = structuredClone(random.pick(repeated));
    twin.selectionSet = twin.selectionSet && set([field('__typename')]);
    const inside = nodes({ ...twin, selectionSet: undefined }, (node) => node.kind in respell);
    if (!inside.length) return false;
    const { node } = random.pick(inside);
    respell[node.kind](node, random);
    held.selections.push(twin);
    return true;
  },
  conflictInside: at((node) => node.kind === Kind.SELECTION_SET && node.selections.some(composite), (node, random) => {
    const twin = structuredClone(random.pick(node.selections.filter(composite)));
    for (const { node: inner } of nodes(twin.selectionSet, leaf).slice(0, 1)) {
      inner.alias ??= inner.name;
      inner.name = name(random.pick(['id', '__typename', 'name', 'createdAt']));
    }
    node.selections.push(twin);
  }),
  repeatField: at(is(Kind.SELECTION_SET), (node, random) => { node.selections.push(structuredClone(random.pick(node.selections))); }),
  conflictBetweenTypes: at((node) => node.kind === Kind.SELECTION_SET && node.selections.filter(is(Kind.INLINE_FRAGMENT)).length > 1, (node, random) => {
    for (const inline of node.selections.filter(is(Kind.INLINE_FRAGMENT))) {
      const [found] = inline.selectionSet.selections.filter(is(Kind.FIELD));
      if (found) found.alias = name('same');
    }
  }),
  secondOperation: (document, random, generator) => {
    const twin = structuredClone(operation(document));
    if (random.chance(0.4)) twin.name = name('Q2');
    if (random.chance(0.2)) twin.name = undefined;
    document.definitions.push(twin);
    return true;
  },
  otherKind: (document, random) => {
    operation(document).operation = random.pick(['query', 'mutation', 'subscription']);
    return true;
  },
  secondRootField: (document, random) => {
    const { selections } = operation(document).selectionSet;
    const twin = structuredClone(random.pick(selections));
    if (twin.kind === Kind.FIELD && random.chance(0.5)) twin.alias = name('second');
    selections.push(random.chance(0.2) ? field('__typename') : twin);
    return true;
  },
};

const escapes = ['\\u0041', '\\u{1F600}', '\\ud83d\\ude00', '\\ud83d', '\\ude00', '\\u{d800}', '\\u{110000}', '\\u{}', '\\uZZZZ', '\\x', '\\/', '\\n', '\\'];
const marks = ['{', '}', '(', ')', '[', ']', ':', '!', '$', '@', '...', '=', '|', '&', '"', '"""', '#', '1', '01', '1.', '.5', 'on', 'null', '\ufeff', '?', '\\', '💥'];
const tokens = /\.\.\.|[A-Za-z_]\w*|"""[^]*?"""|"(?:[^"\\\n]|\\.)*"|-?\d[\d.eE+-]*|[^\s,]/g;

function token(text, random, change) {
  const found = [...text.matchAll(tokens)];
  const { 0: old, index } = random.pick(found);
  return text.slice(0, index) + change(old) + text.slice(index + old.length);
}

export const textMutations = {
  dropToken: (text, random) => token(text, random, () => ' '),
  repeatToken: (text, random) => token(text, random, (old) => `${old} ${old}`),
  insertMark: (text, random) => token(text, random, (old) => `${random.pick(marks)} ${old}`),
  joinMark: (text, random) => token(text, random, (old) => `${old}${random.pick(marks)}`),
  escape: (text, random) => text.replace(/"(?!")/, (quote) => `${quote}${random.pick(escapes)}`),
  describe: (text, random) => `${random.pick(['"what" ', '"""\nwhat\n""" ', '"a" "b" '])}${text}`,
  describeVariable: (text) => text.replace(/\(\$/, '("what" $'),
  byteOrderMark: (text) => `\ufeff${text}`,
  commas: (text) => text.replaceAll('\n', ',\r\n,'),
  cut: (text, random) => text.slice(0, random.below(text.length)),
  schemaDefinition: (text) => `${text}\ntype Extra { a: Int }`,
};
