/** A workspace with files, an offline model, and an engine that plays turns against it. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOfflineModel } from '../../../dev/offline-model/server.ts';
import { startEngine, TOOLS, type Engine } from './engine.ts';

export const WEATHER = join(import.meta.dirname, '../../../examples/data/seattle-weather.csv');
export const FILES = {
  'sales.csv':
    'order_id,product,region,units,price\n1,apple,north,5,1.5\n2,pear,south,9,2\n3,apple,south,7,1.6\n4,fig,north,1,9.9\n5,fig,south,2,9.5\n',
  'cities.csv':
    'city;country;population;area_km2;founded\nOslo;Norway;709037;454;1040-01-01\nBergen;Norway;291189;465;1070-01-01\nGraz;Austria;302000;127;1128-01-01\n',
  'staff.csv':
    'name,department,age,salary\nAnn,sales,41,52000\nBob,sales,33,48000\nCid,research,58,71000\nDee,research,29,64000\nEve,kitchen,47,39000\n',
  'notes.txt':
    'Project notes\n\nThe budget is 400 euros. It may grow.\nPorts: 7233 and 8233 are used.\nTODO: call Ann.\n',
};

export interface World {
  readonly engine: Engine;
  readonly workspace: string;
  readonly baseUrl: string;
  read(file: string): Promise<string>;
  end(): Promise<void>;
}

/** @param options `weather` puts the sample data there */
export async function startWorld(
  options: { files?: readonly (keyof typeof FILES)[]; weather?: boolean; tools?: readonly string[] } = {},
): Promise<World> {
  const workspace = await mkdtemp(join(tmpdir(), 'offline-'));
  for (const file of options.files ?? []) await writeFile(join(workspace, file), FILES[file]);
  if (options.weather) await cp(WEATHER, join(workspace, 'seattle-weather.csv'));
  const server = await startOfflineModel();
  const engine = startEngine({ baseUrl: server.baseUrl, workspace, tools: options.tools ?? TOOLS });
  return {
    engine,
    workspace,
    baseUrl: server.baseUrl,
    read: (file) => readFile(join(workspace, file), 'utf8'),
    async end() {
      await engine.close();
      await server.close();
      await rm(workspace, { recursive: true });
    },
  };
}
