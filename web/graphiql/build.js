// Bundles the explorer into assets/graphiql, together with the licences of what went into it.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const target = process.env.PAGES_OUT
  ? pathToFileURL(`${process.env.PAGES_OUT}/`)
  : new URL("../../assets/graphiql/", import.meta.url);

/** GraphiQL's stylesheet without its fonts, see page.css. */
const dropFonts = {
  name: "drop-fonts",
  setup: ({ onLoad }) =>
    onLoad({ filter: /graphiql\/dist\/style\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replaceAll(/@font-face\s*\{[^}]*\}/g, ""),
      loader: "css",
    })),
};

const { metafile, outputFiles } = await build({
  entryPoints: { graphiql: "main.jsx" },
  bundle: true,
  minify: true,
  write: false,
  metafile: true,
  outdir: "out",
  format: "iife",
  jsx: "automatic",
  target: "es2022",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [dropFonts],
});

async function licences(inputs) {
  const names = inputs.map((path) => path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[0]);
  const folders = [...new Set(names.filter(Boolean))].sort();
  return Promise.all(folders.map(licence));
}

async function licence(folder) {
  const about = JSON.parse(await readFile(`${folder}package.json`, "utf8"));
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? (await readFile(`${folder}${file}`, "utf8")).trim() : `(the package names its licence only: ${about.license})`;
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
const output = (suffix) => outputFiles.find((file) => file.path.endsWith(suffix)).contents;
const script = output(".js");
const style = output(".css");
const page = (await readFile("index.html", "utf8")).replace("JS_HASH", hash(script)).replace("CSS_HASH", hash(style));
const notes = (await licences(Object.keys(metafile.inputs))).join(`\n${"-".repeat(80)}\n\n`);

await mkdir(target, { recursive: true });
for (const [name, contents] of Object.entries({
  "graphiql.js": script,
  "graphiql.css": style,
  "index.html": page,
  "LICENSES.txt": notes,
})) {
  await writeFile(new URL(name, target), contents);
  console.log(`${name}: ${Math.ceil(Buffer.byteLength(contents) / 1024)} KiB`);
}
