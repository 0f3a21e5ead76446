#!/usr/bin/env node
/** The `copilot` command. It enables the compile cache before it loads anything else, since only later modules gain. */
import { enableCompileCache } from 'node:module';

// Whatever this program makes is for its owner only: histories, logs and exports have what people and models wrote.
process.umask(0o077);
enableCompileCache();
const { runProgram } = await import('./program.ts');
await runProgram(process.argv.slice(2));
