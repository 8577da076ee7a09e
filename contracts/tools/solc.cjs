#!/usr/bin/env node
// forge's solc: the npm build of the compiler, speaking standard JSON over stdin and stdout.
const fs = require('node:fs');
const solc = require('solc');

if (process.argv.includes('--version')) {
  const version = solc.version();
  fs.writeSync(
    1,
    `solc, the solidity compiler commandline interface\nVersion: ${version.replace('.Emscripten.clang', '.Linux.g++')}\n`,
  );
} else {
  const output = solc.compile(fs.readFileSync(0, 'utf8'));
  for (let at = 0; at < output.length; at += 65536) fs.writeSync(1, output.slice(at, at + 65536));
}
