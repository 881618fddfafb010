// Builds the page into assets/portal, from where the server takes it: fixed names, each asked for with a hash of its contents,
// and the licences of what went into it. The same source makes the same bytes.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const target = process.env.PAGES_OUT ?? "../../assets/portal";

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

/** Puts `?v=` and the hash that the server knows a file by behind its address in the page. */
async function stamp(folder: string): Promise<void> {
  const page = join(folder, "index.html");
  let html = await readFile(page, "utf8");
  for (const name of (await readdir(folder)).filter((name) => /\.(js|css|svg)$/.test(name))) {
    html = html.replaceAll(`assets/${name}"`, `assets/${name}?v=${hash(await readFile(join(folder, name)))}"`);
  }
  await writeFile(page, html);
}

async function licence(folder: string): Promise<string> {
  const about = JSON.parse(await readFile(`${folder}package.json`, "utf8"));
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? (await readFile(`${folder}${file}`, "utf8")).trim() : "(the package names its licence only)";
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

function finish(): Plugin {
  const folders = new Set<string>();
  return {
    name: "leadmesh-finish",
    generateBundle(_options, bundle) {
      for (const part of Object.values(bundle).filter((part) => part.type === "chunk")) {
        for (const path of Object.keys(part.modules)) {
          const folder = path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[0];
          if (folder) folders.add(folder);
        }
      }
    },
    async writeBundle({ dir }) {
      const folder = resolve(dir ?? ".");
      const notes = await Promise.all([...folders].sort().map(licence));
      await writeFile(join(folder, "LICENSES.txt"), notes.join(`\n${"-".repeat(80)}\n\n`));
      await stamp(folder);
    },
  };
}

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [finish()],
  // The server has one folder of files, and serves all but the page from `assets/`.
  experimental: { renderBuiltUrl: (name) => `assets/${name}` },
  build: {
    outDir: target,
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      output: {
        entryFileNames: "portal.js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "portal.css" : "[name][extname]"),
      },
    },
  },
});
