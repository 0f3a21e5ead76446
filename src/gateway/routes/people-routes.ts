/** Requests that wait for people. */
import { InboxFilter } from '../../client/listing/inbox.ts';
import { DecidePayload } from '../../contracts/payloads.ts';
import { seesAll } from '../principals/principal.ts';
import { Count, type Route, route } from './route.ts';

export const peopleRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/me',
    summary: 'Name and role of the caller',
    run: ({ principal: { name, role } }) => Promise.resolve({ name, role }),
  }),
  route({
    method: 'get',
    path: '/v1/inbox',
    summary: 'The requests that wait in all sessions that one sees, oldest first',
    query: InboxFilter.extend({ limit: Count.optional() }),
    run: ({ client, principal, query }) =>
      client.inbox(seesAll(principal) ? query : { ...query, user: principal.name }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/requests',
    summary: 'The requests of a session that wait, oldest first',
    right: 'read',
    run: ({ session, signal }) => session.requests({ signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/requests/{requestId}',
    summary: 'One request with all of its arguments; when it is decided, its record',
    right: 'read',
    run: ({ session, path, signal }) => session.request(path['requestId'] ?? '', { signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/requests/{requestId}/decision',
    summary: 'Decides a request, in the name of the caller',
    right: 'decide',
    body: DecidePayload.omit({ requestId: true, by: true, images: true }),
    run: ({ session, principal, path, body: { decision, ...options }, signal }) =>
      session.decide(path['requestId'] ?? '', decision, { ...options, by: principal.name, signal }),
  }),
  route({
    method: 'get',
    path: '/v1/sessions/{id}/decisions',
    summary: 'The 50 newest requests that were decided, expired or withdrawn',
    right: 'read',
    run: ({ session, signal }) => session.decisions({ signal }),
  }),
];
