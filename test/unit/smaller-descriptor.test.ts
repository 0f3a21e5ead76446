import assert from 'node:assert/strict';
import { smallerDescriptor } from '../../scripts/smaller-descriptor.ts';

interface Described {
  readonly nested?: Readonly<Record<string, Described>>;
  readonly fields?: Readonly<Record<string, { readonly type: string }>>;
  readonly methods?: object;
  readonly values?: object;
}

/** Types, enums and services by their full names. */
function typesIn({ nested = {} }: Described, path: readonly string[] = []): Map<string, Described> {
  return new Map(
    Object.entries(nested).flatMap(([name, part]) => {
      const isType = (part.fields ?? part.values ?? part.methods) !== undefined;
      const within = [...typesIn(part, [...path, name])];
      return isType ? [[[...path, name].join('.'), part] as const, ...within] : within;
    }),
  );
}

const API = 'temporal.api';

describe("the bundle's part of Temporal's protocol", () => {
  const root = smallerDescriptor([
    'await service.listWorkflowExecutions({ query })',
    'if (status === proto_1.temporal.api.enums.v1.TaskQueueKind.TASK_QUEUE_KIND_NORMAL) return',
    'details.map((detail) => temporal.api.errordetails.v1.QueryFailedFailure.decode(detail))',
  ]) as Described;
  const types = typesIn(root);

  it('[U02] has the calls, types and enums that the code names, and no others', () => {
    const { methods } = types.get(`${API}.workflowservice.v1.WorkflowService`) ?? {};
    assert.deepEqual(Object.keys(methods ?? {}), ['ListWorkflowExecutions']);
    assert(types.has(`${API}.workflowservice.v1.ListWorkflowExecutionsResponse`));
    assert(types.has(`${API}.enums.v1.TaskQueueKind`));
    assert(types.has(`${API}.errordetails.v1.QueryFailedFailure`));
    assert.equal(types.has(`${API}.workflowservice.v1.StartWorkflowExecutionRequest`), false);
    assert.equal(types.has('coresdk.ActivityHeartbeat'), false);
  });

  it('[U02] has what these are made of', () => {
    assert(types.has(`${API}.common.v1.Payload`));
    const builtIn = /^(string|bytes|bool|float|double|s?u?int(32|64)|s?fixed(32|64))$/;
    const names = [...types.keys()];
    for (const [name, { fields = {} }] of types) {
      for (const { type } of Object.values(fields)) {
        const isThere =
          builtIn.test(type) || names.some((other) => `.${other}`.endsWith(`.${type.replace(/^\./, '')}`));
        assert(isThere, `${type} of ${name}`);
      }
    }
  });

  it('takes nothing from the protocol of others', () => {
    assert(typesIn(smallerDescriptor(['service.startWorkflowExecution()']) as Described).size > types.size);
  });
});
