// Validates the operations that the explorer opens with against a schema file: node check.js SCHEMA
import { buildSchema, parse, validate } from "graphql";
import { readFile } from "node:fs/promises";
import { tabs } from "./tabs.js";

const schema = buildSchema(await readFile(process.argv[2] ?? "../../schema.graphql", "utf8"));
const errors = tabs.flatMap(({ query }) => validate(schema, parse(query)));
errors.forEach((error) => console.error(`${error}\n`));
process.exitCode = errors.length ? 1 : 0;
