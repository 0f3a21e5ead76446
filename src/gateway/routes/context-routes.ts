/** The durable context of a session. */
import { z } from 'zod';
import type { ContextPoint, SnapshotRef } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { ContextKey, ContextState, ContextValue, ContextValues, MergeStrategy } from '../../contracts/context.ts';
import { RestoreContextPayload, SavePayload } from '../../contracts/payloads.ts';
import { type Route, route } from './route.ts';

const expectedVersion = z.int().min(0).optional();

/** A snapshot in a path or query: its version, its id, or `latest`. */
const snapshotOf = (text: string): SnapshotRef => (/^\d{1,9}$/.test(text) ? Number(text) : text);
const pointOf = (text: string): ContextPoint => (text === 'present' ? text : snapshotOf(text));

export const contextRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/sessions/{id}/context',
    summary: 'Values, version and protected keys',
    right: 'read',
    run: ({ session, signal }) => session.context({ signal }),
  }),
  route({
    method: 'patch',
    path: '/v1/sessions/{id}/context',
    summary: 'Sets several values as one change; protected keys keep theirs',
    right: 'write',
    body: z.strictObject({ values: ContextValues, expectedVersion }),
    run: ({ session, body: { values, ...options }, signal }) => session.updateContext(values, { ...options, signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/context/merge',
    summary: 'Merges values as one change',
    right: 'write',
    body: z.strictObject({
      values: ContextValues,
      strategy: MergeStrategy.optional(),
      prefix: z.string().min(1).max(100).optional(),
      expectedVersion,
    }),
    run: ({ session, body: { values, ...options }, signal }) => session.mergeContext(values, { ...options, signal }),
  }),
  route({
    method: 'put',
    path: '/v1/sessions/{id}/context/values/{key}',
    summary: 'Sets one value',
    right: 'write',
    body: z.strictObject({
      value: ContextValue,
      protect: z.boolean().optional(),
      ephemeral: z.boolean().optional(),
      expectedVersion,
    }),
    run: ({ session, path, body: { value, ...options }, signal }) =>
      session.setContext(checkInput(ContextKey, path['key'], 'key'), value, { ...options, signal }),
  }),
  route({
    method: 'delete',
    path: '/v1/sessions/{id}/context/values/{key}',
    summary: 'Deletes one value',
    right: 'write',
    run: ({ session, path, signal }) => session.deleteContext(path['key'] ?? '', { signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/context/saved',
    summary: 'Values, snapshots and log for a later load',
    right: 'read',
    run: ({ session, signal }) => session.savedContext({ signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/context/load',
    summary: 'Takes the context back to a saved one, as one new version',
    right: 'write',
    body: z.strictObject({ saved: ContextState, expectedVersion }),
    run: ({ session, body: { saved, ...options }, signal }) => session.loadContext(saved, { ...options, signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/context/clear-ephemeral',
    summary: 'Removes all ephemeral values',
    right: 'write',
    run: ({ session, signal }) => session.clearEphemeral({ signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/context/changes',
    summary: 'The newest changes, at most 200',
    right: 'read',
    run: ({ session, signal }) => session.changes({ signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/context/size',
    summary: 'Size in bytes, by key and in total',
    right: 'read',
    run: ({ session, signal }) => session.contextSize({ signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/context/diff',
    summary: 'The difference between two snapshots, or between a snapshot and the present',
    right: 'read',
    query: z.strictObject({ from: z.string().min(1), to: z.string().min(1).optional() }),
    run: ({ session, query: { from, to = 'present' }, signal }) =>
      session.contextDiff(pointOf(from), pointOf(to), { signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/snapshots',
    summary: 'Snapshots of the context, oldest first, without their data',
    right: 'read',
    run: ({ session, signal }) => session.snapshots({ signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/snapshots',
    summary: 'Takes a snapshot of the context',
    right: 'write',
    body: z.strictObject({ reason: z.string().min(1).max(200), metadata: ContextValues.optional(), expectedVersion }),
    status: 201,
    run: ({ session, body: { reason, ...options }, signal }) => session.snapshot(reason, { ...options, signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/snapshots/{snapshot}',
    summary: 'One snapshot with its data: by version, id, or latest',
    right: 'read',
    run: ({ session, path, signal }) => session.getSnapshot(snapshotOf(path['snapshot'] ?? ''), { signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/context/restore',
    summary: 'Restores the context from a snapshot, as a new version',
    right: 'write',
    body: RestoreContextPayload,
    run: ({ session, body: { snapshot, ...options }, signal }) =>
      session.restoreContext(snapshot, { ...options, signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/saved',
    summary: 'What a save replaces, with the current version',
    right: 'read',
    run: ({ session, signal }) => session.load({ signal }),
  }),
  route({
    method: 'put',
    path: '/v1/sessions/{id}/saved',
    summary: 'Replaces conversation, context, phase and step, and the plan if given',
    right: 'write',
    body: SavePayload,
    run: ({ session, body: { expectedVersion: version, ...saved }, signal }) =>
      session.save(saved, { expectedVersion: version, signal }),
  }),
];
