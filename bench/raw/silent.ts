import type { Logger } from '@temporalio/worker';

export const SILENT: Logger = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };
