#!/usr/bin/env node
'use strict';
// Plain CommonJS that any Node 20 runs: hands over to the packaged Node when the running one is older than 24.
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const entry = path.join(__dirname, '..', 'src', 'main.ts');
let node = process.execPath;
if (Number(process.versions.node.split('.')[0]) < 24) {
  try {
    const packaged = path.join(
      path.dirname(require.resolve('node/package.json')),
      'bin',
      process.platform === 'win32' ? 'node.exe' : 'node',
    );
    if (fs.existsSync(packaged)) node = packaged;
  } catch {
    console.error(
      'cairn needs Node 24 or later; run npm install in the repository to get the packaged one',
    );
    process.exit(2);
  }
}
/** Beside the installed packages, as `npm start` has it; Node ignores a folder that it may not write. */
function compiled() {
  return path.join(path.dirname(require.resolve('zod/package.json')), '..', '.cache', 'compile');
}

// Segments pass through by the gigabyte and die young: a small young generation keeps memory flat for files of any size.
const flags = ['--max-semi-space-size=4', '--conditions=source'];
const child = spawn(node, [...flags, entry, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE || compiled() },
});
// A terminal sends SIGINT to the child as well; it takes two at once for one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) child.kill('SIGTERM');
}, 500).unref();
child.on('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)));
