#!/usr/bin/env node
/** The `copilot` command. It enables the compile cache before it loads anything else, since only later modules gain. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { runProgram } = await import('./program.ts');
await runProgram(process.argv.slice(2));
