/**
 * The part of Temporal's protocol that a program uses. The whole descriptor has 1,200 types and enums, and protobufjs
 * makes an object of each, and of each of their fields and calls, at every start.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const DESCRIPTOR = require.resolve('@temporalio/proto/protos/json-module.js');
/** Modules of the SDK that name types and calls, though our commands do not use these modules. */
const UNUSED =
  /@temporalio\/(proto\/lib\/payload-visitor|client\/lib\/(activity|async-completion|nexus|schedule|task-queue)-client)/;

export const isDescriptor = (path: string): boolean => path === DESCRIPTOR;
/** @returns whether a module names nothing of the protocol that is needed */
export const namesNothing = (path: string): boolean => isDescriptor(path) || UNUSED.test(path);

/** As much of protobufjs' `ReflectionObject` and its kinds as is used here. */
interface Reflected {
  readonly name: string;
  /** Begins with a dot. */
  readonly fullName: string;
  readonly parent: Reflected | null;
  options?: object;
  /** Of a namespace. Services and message types are namespaces too. */
  readonly nestedArray?: readonly Reflected[];
  remove?(object: Reflected): void;
  /** Of a message type. */
  readonly fieldsArray?: readonly { readonly resolvedType: Reflected | null }[];
  /** Of an enum. */
  readonly values?: object;
  /** Of a service. */
  readonly methodsArray?: readonly (Reflected & {
    readonly resolvedRequestType: Reflected;
    readonly resolvedResponseType: Reflected;
  })[];
}
interface Root extends Reflected {
  readonly constructor: { fromJSON(descriptor: Descriptor): Root };
  resolveAll(): Root;
  toJSON(): Descriptor;
}
/** In protobufjs' form. */
export interface Descriptor {
  readonly nested: object;
}

/**
 * @param code of the program, but for modules that name nothing
 * @returns what the code names, and what that is made of
 */
export function smallerDescriptor(code: readonly string[]): Descriptor {
  const whole = require(DESCRIPTOR) as Root;
  const root = whole.constructor.fromJSON(whole.toJSON()).resolveAll();
  const kept = new Set<Reflected>();
  keepNamed(root, namesIn(code), kept);
  removeOthers(root, kept);
  return root.toJSON();
}

/** @returns every word and every path of words: of `a.b.c` also `a.b`, `b.c`, `a`, `b` and `c` */
function namesIn(code: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const path of new Set(code.flatMap((part) => part.match(/\w+(?:\.\w+)*/g) ?? []))) {
    const words = path.split('.');
    for (const start of words.keys()) {
      for (let end = start + 1; end <= words.length; end++) names.add(words.slice(start, end).join('.'));
    }
  }
  return names;
}

/** Keeps what `names` has of `object`: types and enums by their full names, and calls by the names of their functions. */
function keepNamed(object: Reflected, names: ReadonlySet<string>, kept: Set<Reflected>): void {
  const { fullName, fieldsArray, values, methodsArray = [], nestedArray } = object;
  const isType = fieldsArray !== undefined || values !== undefined;
  // Code may read an empty namespace. There are few.
  if (isType ? names.has(fullName.slice(1)) : nestedArray !== undefined) keep(object, kept);
  for (const method of methodsArray) {
    if (!names.has(method.name.charAt(0).toLowerCase() + method.name.slice(1))) continue;
    for (const part of [method, method.resolvedRequestType, method.resolvedResponseType]) keep(part, kept);
  }
  for (const nested of nestedArray ?? []) keepNamed(nested, names, kept);
}

/** Keeps `object`, what it lies in, and the types of its fields. */
function keep(object: Reflected, kept: Set<Reflected>): void {
  if (kept.has(object)) return;
  kept.add(object);
  if (object.parent !== null) keep(object.parent, kept);
  for (const { resolvedType } of object.fieldsArray ?? []) if (resolvedType !== null) keep(resolvedType, kept);
}

function removeOthers(object: Reflected, kept: ReadonlySet<Reflected>): void {
  // Those of types and enums can change how a message is read. The others are for generators of code.
  if (object.fieldsArray === undefined && object.values === undefined) delete object.options;
  for (const part of [...(object.methodsArray ?? []), ...(object.nestedArray ?? [])]) {
    if (kept.has(part)) removeOthers(part, kept);
    else object.remove?.(part);
  }
}
