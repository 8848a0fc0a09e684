// Writes a CycloneDX bill of materials of the program: every crate that is linked into `elt`, with licence and hash.
// Usage: cargo metadata --format-version 1 --locked | node scripts/sbom.mjs VERSION > elt.cdx.json
import { readFileSync } from 'node:fs';

const { packages, resolve } = JSON.parse(readFileSync(0, 'utf8'));
const hashes = new Map(
  readFileSync('Cargo.lock', 'utf8')
    .split('[[package]]')
    .map((entry) => ['name', 'version', 'checksum'].map((key) => entry.match(`\n${key} = "(.*)"`)?.[1]))
    .map(([name, version, checksum]) => [`${name} ${version}`, checksum]),
);
const byId = new Map(packages.map((entry) => [entry.id, entry]));
const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
// A crate that only tests or build machines of other crates need, is not in the program; build scripts are counted in,
// because they write code that is.
const needs = (id) =>
  nodes
    .get(id)
    .deps.filter((dependency) => dependency.dep_kinds.some(({ kind }) => kind !== 'dev'))
    .map((dependency) => dependency.pkg);

const root = packages.find((entry) => entry.name === 'elt').id;
const reached = new Set([root]);
for (const id of reached) needs(id).forEach((other) => reached.add(other));

const purl = ({ name, version }) => `pkg:cargo/${name}@${encodeURIComponent(version)}`;
const component = (id) => {
  const { name, version, license, description, repository } = byId.get(id);
  const hash = hashes.get(`${name} ${version}`);
  return {
    type: id === root ? 'application' : 'library',
    'bom-ref': purl({ name, version }),
    name,
    version,
    description: description ?? undefined,
    licenses: license ? [{ expression: license.replaceAll('/', ' OR ') }] : undefined,
    hashes: hash ? [{ alg: 'SHA-256', content: hash }] : undefined,
    purl: purl({ name, version }),
    externalReferences: repository ? [{ type: 'vcs', url: repository }] : undefined,
  };
};

const time = new Date(Number(process.env.SOURCE_DATE_EPOCH ?? Date.now() / 1000) * 1000);
const document = {
  $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: {
    timestamp: time.toISOString().replace(/\.\d+Z$/, 'Z'),
    component: { ...component(root), version: process.argv[2] ?? byId.get(root).version },
  },
  components: [...reached].filter((id) => id !== root).map(component).sort((a, b) => (a.purl < b.purl ? -1 : 1)),
  dependencies: [...reached].map((id) => ({
    ref: purl(byId.get(id)),
    dependsOn: [...new Set(needs(id).map((other) => purl(byId.get(other))))].sort(),
  })),
};
console.log(JSON.stringify(document, null, 1));
