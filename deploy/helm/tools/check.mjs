// Checks rendered manifests against the types of Kubernetes, KEDA and Prometheus' operator: required fields, types and
// enumerations by the packages' own validators, and unknown fields by the TypeScript compiler, which finds them in nested
// objects too. Usage: node check.mjs FILE…   Prints a line for each problem; ends with 1 when there is one.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const FOLDER = import.meta.dirname;

/** The module that has the type of a manifest, such as `kubernetes-models/apps/v1/Deployment`. */
function moduleOf({ apiVersion, kind }) {
    const own = {
        'keda.sh/v1alpha1': '@kubernetes-models/keda',
        'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator',
    };
    return `${own[apiVersion] ?? 'kubernetes-models'}/${apiVersion}/${kind}`;
}

function documentsOf(file) {
    return parseAllDocuments(readFileSync(file, 'utf8'), { version: '1.1' }).flatMap(document => {
        if (document.errors.length > 0) throw new Error(`${basename(file)}: ${document.errors[0].message}`);
        return document.toJS() ?? [];
    });
}

/** Problems that the validator of the manifest's own type finds. */
async function invalidFields(manifest) {
    const types = await import(moduleOf(manifest));
    try {
        new types[manifest.kind](manifest).validate();
        return [];
    } catch (error) {
        return [error.message];
    }
}

/** Problems that the compiler finds when each manifest is assigned to its type. */
function mistypedFields(manifests) {
    const folder = mkdtempSync(join(FOLDER, 'check-'));
    try {
        const source = manifests.map((manifest, index) => {
            const type = `I${manifest.kind}`;
            return `import type { ${type} as T${index} } from '${moduleOf(manifest)}';\n` +
                `export const m${index}: T${index} = ${JSON.stringify(manifest, null, 1)};\n`;
        });
        const file = join(folder, 'manifests.ts');
        writeFileSync(file, source.join(''));
        const program = ts.createProgram([file], {
            module: ts.ModuleKind.NodeNext,
            moduleResolution: ts.ModuleResolutionKind.NodeNext,
            target: ts.ScriptTarget.ES2022,
            noEmit: true,
            skipLibCheck: true,
            strict: true,
            types: [],
        });
        const text = readFileSync(file, 'utf8').split('\n');
        return ts.getPreEmitDiagnostics(program).map(problem => {
            const line = problem.file?.getLineAndCharacterOfPosition(problem.start ?? 0).line ?? 0;
            return `${(text[line] ?? '').trim()}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`;
        });
    } finally {
        rmSync(folder, { recursive: true });
    }
}

let problems = 0;
const all = [];
for (const file of process.argv.slice(2)) {
    for (const manifest of documentsOf(file)) {
        all.push(manifest);
        for (const problem of await invalidFields(manifest)) {
            console.log(`${basename(file)}: ${manifest.kind} ${manifest.metadata.name}: ${problem}`);
            problems += 1;
        }
    }
}
for (const problem of mistypedFields(all)) {
    console.log(problem);
    problems += 1;
}
console.log(`${all.length} manifests, ${problems} problems`);
process.exitCode = problems > 0 || all.length === 0 ? 1 : 0;
