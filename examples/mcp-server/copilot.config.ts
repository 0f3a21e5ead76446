// In a project of your own: from 'durable-copilot/worker'.
import { defineConfig } from '../../src/worker.ts';

export default defineConfig({ teams: 'teams' });
