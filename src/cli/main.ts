#!/usr/bin/env node
/** The `copilot` command. Enables the compile cache first: it only helps modules that are loaded after that. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./program.ts');
