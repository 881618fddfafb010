// Compares the shape of answers: a server answers read-only queries, and graphql-js executes them on what was answered,
// taking each field's value by its response key. Both must come out alike: keys, their order, lists and nulls.
//
//   node shapes.js SCHEMA ENDPOINT [QUERIES] [SEED]
import { readFileSync } from 'node:fs';
import { executeSync, parse, print, validate } from 'graphql';
import { Generator } from './generate.js';
import { Random } from './random.js';
import { readSchema } from './schema.js';

const [, , schemaFile, endpoint, wanted = '300', seed = '1'] = process.argv;
const schema = readSchema(readFileSync(schemaFile, 'utf8'));
const random = new Random(Number(seed));
const generator = new Generator(schema, random);

async function ask(query, variables, token) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

async function mutate(name, input, answer, token) {
  const type = `${name[0].toUpperCase()}${name.slice(1)}Input`;
  const { data, errors } = await ask(
    `mutation ($input: ${type}!) { ${name}(input: $input) { ${answer} userErrors { message } } }`,
    { input },
    token,
  );
  const wrong = errors ?? data[name].userErrors;
  if (wrong.length) throw new Error(`${name}: ${wrong[0].message}`);
  return data[name];
}

// An account with something to read.
async function account() {
  const person = { accountName: 'Example', name: 'Ann', email: 'ann@example.com', password: 'a good phrase' };
  const { session } = await mutate('signUp', person, 'session { accessToken }');
  const token = session.accessToken;
  const fields = [{ name: 'number', type: 'INTEGER', required: true }];
  const { flow } = await mutate('createFlow', { name: 'Leads', fields }, 'flow { id }', token);
  for (const name of ['North', 'South']) await mutate('createPartner', { name, email: 'x@example.com' }, 'partner { id }', token);
  for (const number of [1, 'wrong', 3]) {
    await mutate('submitLead', { flowId: flow.id, fields: { number } }, 'receipt { id }', token);
  }
  return token;
}

// Objects tell their types under the key `t`, which every selection has.
const typeOf = (value) => value.t;
for (const type of Object.values(schema.getTypeMap())) {
  if ('resolveType' in type) type.resolveType = typeOf;
}
const isMeta = (name) => name.startsWith('__');
const byKey = (source, _arguments, _context, { path }) => source[path.key];

// Values of scalars and enums are answered as they are.
for (const type of Object.values(schema.getTypeMap())) {
  if ('serialize' in type && !isMeta(type.name)) type.serialize = (value) => value;
}

const token = await account();
const counts = { compared: 0, invalid: 0, refused: 0, objects: 0 };
const differences = [];
while (counts.compared < Number(wanted)) {
  const query = print(generator.document('query', true).document);
  const document = parse(query);
  if (validate(schema, document).length) {
    counts.invalid += 1;
    continue;
  }
  const { data, errors } = await ask(query, {}, token);
  if (errors || !data) {
    counts.refused += 1;
    if (counts.refused > Number(wanted)) throw new Error(`most queries are refused: ${errors[0].message}`);
    continue;
  }
  counts.compared += 1;
  const theirs = executeSync({ schema, document, rootValue: data, fieldResolver: byKey });
  const [mine, other] = [JSON.stringify(data), JSON.stringify(theirs.data)];
  counts.objects += mine.split('"t":').length - 1;
  if (mine !== other || theirs.errors) differences.push({ query, mine, other, error: theirs.errors?.[0].message });
}
for (const { query, mine, other, error } of differences.slice(0, 5)) {
  console.error(`\n${query}\nours:   ${mine.slice(0, 2000)}\ntheirs: ${other.slice(0, 2000)}\n${error ?? ''}`);
}
console.log(`shapes of answers, seed ${seed}: ${JSON.stringify(counts)}, ${differences.length} differ`);
process.exit(differences.length ? 1 : 0);
