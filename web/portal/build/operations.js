// Makes src/operations.ts of src/operations.graphql: the text of each operation, and the types of what goes in and comes
// out. An operation that the schema does not know ends it with an error.
//
//   node build/operations.js [--check] [SCHEMA]
import { readFile, writeFile } from "node:fs/promises";
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isScalarType,
  Kind,
  parse,
  print,
  stripIgnoredCharacters,
  typeFromAST,
  validate,
} from "graphql";

const check = process.argv.includes("--check");
const path = process.argv.slice(2).find((argument) => argument !== "--check") ?? "../../schema.graphql";
const target = new URL("../src/operations.ts", import.meta.url);
const schema = buildSchema(await readFile(path, "utf8"));
const document = parse(await readFile(new URL("../src/operations.graphql", import.meta.url), "utf8"));

const errors = validate(schema, document);
if (errors.length > 0) {
  errors.forEach((error) => console.error(`${error}\n`));
  process.exit(1);
}

const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
const scalars = { Int: "number", Float: "number", Boolean: "boolean", JSON: "Record<string, unknown>" };
/** Enums and inputs that are used, by name. */
const named = new Map();

/** A type as TypeScript writes it; `inner` says what an object is. */
function typed(type, inner) {
  if (isNonNullType(type)) return required(type.ofType, inner);
  return `${required(type, inner)} | null`;
}

function required(type, inner) {
  if (isListType(type)) return `Array<${typed(type.ofType, inner)}>`;
  if (isScalarType(type)) return scalars[type.name] ?? "string";
  if (isEnumType(type)) return enumeration(type);
  return isInputObjectType(type) ? input(type) : inner(type);
}

function enumeration(type) {
  const values = type.getValues().map(({ name }) => JSON.stringify(name));
  named.set(type.name, `export type ${type.name} = ${values.join(" | ")};\n`);
  return type.name;
}

function input(type) {
  if (!named.has(type.name)) {
    named.set(type.name, "");
    const fields = Object.values(type.getFields()).map(
      ({ name, type }) => `  ${name}${isNonNullType(type) ? "" : "?"}: ${typed(type)};\n`,
    );
    named.set(type.name, `export interface ${type.name} {\n${fields.join("")}}\n`);
  }
  return type.name;
}

/** The type of what a selection answers. */
function selected(type, selections, indent) {
  const spreads = selections.filter(({ kind }) => kind === Kind.FRAGMENT_SPREAD).map(({ name }) => name.value);
  const fields = selections
    .filter(({ kind }) => kind === Kind.FIELD)
    .map((field) => {
      const { type: answer } = type.getFields()[field.name.value];
      const inner = (object) => selected(object, field.selectionSet.selections, `${indent}  `);
      return `${indent}  ${(field.alias ?? field.name).value}: ${typed(answer, inner)};\n`;
    });
  const own = fields.length > 0 ? [`{\n${fields.join("")}${indent}}`] : [];
  return [...spreads, ...own].join(" & ");
}

/** The names of the fragments that a selection needs, in the order of the document. */
function needed(selections, found = new Set()) {
  for (const selection of selections) {
    if (selection.kind === Kind.FRAGMENT_SPREAD && !found.has(selection.name.value)) {
      found.add(selection.name.value);
      const fragment = fragments.find(({ name }) => name.value === selection.name.value);
      needed(fragment.selectionSet.selections, found);
    }
    if (selection.selectionSet) needed(selection.selectionSet.selections, found);
  }
  return found;
}

const roots = { query: schema.getQueryType(), mutation: schema.getMutationType() };
roots.subscription = schema.getSubscriptionType();

const types = fragments.map(({ name, typeCondition, selectionSet }) => {
  const type = schema.getType(typeCondition.name.value);
  return `export type ${name.value} = ${selected(type, selectionSet.selections, "")};\n`;
});

const written = operations.map((operation) => {
  const name = operation.name.value;
  const wanted = needed(operation.selectionSet.selections);
  const parts = [operation, ...fragments.filter((fragment) => wanted.has(fragment.name.value))];
  const text = stripIgnoredCharacters(parts.map(print).join("\n"));
  const variables = operation.variableDefinitions.map(({ variable, type }) => {
    const known = typeFromAST(schema, type);
    return `${variable.name.value}${isNonNullType(known) ? "" : "?"}: ${typed(known)}`;
  });
  const takes = variables.length > 0 ? `{ ${variables.join("; ")} }` : "Record<string, never>";
  const answers = selected(roots[operation.operation], operation.selectionSet.selections, "");
  return `export const ${name}: Operation<${answers}, ${takes}> = {\n  text: ${JSON.stringify(text)},\n};\n`;
});

const contents = [
  "// Written by build/operations.js out of operations.graphql and the schema: do not edit.\n",
  "/** An operation with the types of its answer and its variables. */",
  "export interface Operation<Answer, Variables> {\n  readonly text: string;",
  "  /** Of the types only. */\n  readonly types?: (variables: Variables) => Answer;\n}\n",
  ...[...named.keys()].sort().map((name) => named.get(name)),
  ...types,
  ...written,
].join("\n");

if (!check) {
  await writeFile(target, contents);
} else if (contents !== (await readFile(target, "utf8"))) {
  console.error("src/operations.ts is not what operations.graphql and the schema say: npm run generate, and commit it");
  process.exit(1);
}
