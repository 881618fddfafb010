// Compares verdicts: ours come from a program that reads requests line by line, theirs from graphql-js.
//
//   node verdicts.js SCHEMA JUDGE [DOCUMENTS] [SEED]
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { getVariableValues } from 'graphql/execution/values.js';
import { Kind, parse, print, validate } from 'graphql';
import { Generator, toJson } from './generate.js';
import { mutations, textMutations } from './mutate.js';
import { Random } from './random.js';
import { readSchema } from './schema.js';

const [, , schemaFile, judge, wanted = '6000', seed = '1'] = process.argv;
const SHOWN = 15;
const random = new Random(Number(seed));
const schema = readSchema(readFileSync(schemaFile, 'utf8'));
const generator = new Generator(schema, random);

function request() {
  const kind = random.pick(['query', 'query', 'query', 'mutation', 'mutation', 'subscription']);
  const { document, variables } = generator.document(kind);
  const made = [];
  let text;
  if (random.chance(0.65)) {
    for (let tries = 0; tries < 10 && made.length < 1 + random.below(2); tries += 1) {
      const mutation = random.pick(Object.keys(mutations));
      if (mutations[mutation](document, random, generator)) made.push(mutation);
    }
  } else if (random.chance(0.35)) {
    const mutation = random.pick(Object.keys(textMutations));
    made.push(mutation);
    text = textMutations[mutation](print(document), random);
  }
  text ??= print(document);
  const wrong = random.pick([0, 0.1, 0.4]);
  const given = {};
  for (const [variable, type] of variables) {
    if (!random.chance(wrong / 3 + 0.05)) given[variable] = generator.json(type, wrong);
  }
  return { query: text, variables: given, made };
}

// Where we are stricter on purpose: what the text or value has, and what we say then.
const stricter = [
  // The specification of September 2025, which graphql-js 16 does not follow here.
  /root field of a subscription takes neither @skip nor @include/,
  // graphql-js says so while executing; by then another mutation may have been done.
  /must not be null/,
  // graphql-js overlooks it where the object stands for a list of one.
  /must be non-null where it is the one key of an object/,
];

function theirs({ query, variables, operationName }) {
  let document;
  try {
    document = parse(query);
    // Throws for a condition in a variable at the root of a subscription.
    const [first] = validate(schema, document);
    if (first) return { document: first.message };
  } catch (error) {
    return { document: error.message };
  }
  const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const operation = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
  const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  return { document: null, variables: errors?.[0].message ?? null, kind: operation.operation };
}

const requests = Array.from({ length: Number(wanted) }, request);
for (const each of requests) {
  // With several operations one is named, the first.
  each.operationName = /\b(?:query|mutation|subscription)\s+(Q)\b/.exec(each.query)?.[1];
  each.json = toJson(each);
  each.variables = JSON.parse(each.json).variables;
}
const { stdout, status, error } = spawnSync(judge, {
  input: requests.map(({ json }) => json).join('\n'),
  encoding: 'utf8',
  maxBuffer: 1 << 30,
  stdio: ['pipe', 'pipe', 'inherit'],
});
if (status !== 0) throw error ?? new Error(`${judge} ended with ${status}`);
const ours = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));

const counts = { valid: 0, invalid: 0, accepted: 0, refused: 0, 'too complex': 0, 'stricter on purpose': 0 };
const byMutation = new Map();
const differences = [];
requests.forEach((each, place) => {
  const mine = ours[place];
  const said = [mine.document, mine.variables].flat().filter(Boolean);
  if (said.some(({ code }) => code === 'QUERY_TOO_COMPLEX')) {
    counts['too complex'] += 1;
    return;
  }
  const other = theirs(each);
  counts[other.document === null ? 'valid' : 'invalid'] += 1;
  if (other.document === null) counts[other.variables === null ? 'accepted' : 'refused'] += 1;
  for (const mutation of each.made) {
    const [invalid, all] = byMutation.get(mutation) ?? [0, 0];
    byMutation.set(mutation, [invalid + (other.document === null ? 0 : 1), all + 1]);
  }
  const same = (mine.document === null) === (other.document === null)
    && (other.document !== null || (mine.variables === null) === (other.variables === null));
  if (same) return;
  if (other.document === null && said.every(({ message }) => stricter.some((known) => known.test(message)))) {
    counts['stricter on purpose'] += 1;
    return;
  }
  differences.push({ ...each, ours: said.map(({ message }) => message), theirs: other.document ?? other.variables });
});

for (const { query, variables, made, ours: mine, theirs: other } of differences.slice(0, SHOWN)) {
  console.error(`\n── ${made.join(', ') || 'unchanged'}\n${query}\n${toJson(variables)}\nours:   ${mine.join(' | ') || 'takes it'}\ntheirs: ${other ?? 'takes it'}`);
}
const never = [...Object.keys(mutations), ...Object.keys(textMutations)].filter((mutation) => !byMutation.has(mutation));
console.log(`verdicts on ${requests.length} documents, seed ${seed}: ${JSON.stringify(counts)}, ${differences.length} differ`);
if (process.env.MUTATIONS) console.log(Object.fromEntries(byMutation));
if (never.length) console.error(`never made: ${never.join(', ')}`);
const enough = counts.valid > requests.length / 5 && counts.invalid > requests.length / 5 && counts['too complex'] < requests.length / 20;
if (!enough) console.error('the documents are too much alike');
process.exit(differences.length || never.length || !enough ? 1 : 0);
