/** Words that pick the first or last of many, and the columns they speak of. */

export interface Superlative {
  readonly word: string;
  readonly direction: 'highest' | 'lowest';
  /** What the column may be called, best first; empty where the word says nothing about it. */
  readonly columns: readonly string[];
  /** False where the word only looks like one. */
  readonly isKnown: boolean;
}

const HIGHEST: Readonly<Record<string, string>> = {
  'wettest rainiest': 'precipitation precip prcp rainfall rain water moisture',
  'hottest warmest': 'temp_max tmax max_temp high temperature temp heat degrees celsius',
  windiest: 'wind gust breeze',
  snowiest: 'snowfall snow',
  sunniest: 'sunshine sun radiation uv',
  cloudiest: 'cloud cover',
  stormiest: 'storm wind gust',
  humidest: 'humidity',
  'dearest costliest priciest': 'price cost amount fee',
  'richest wealthiest': 'income wealth gdp salary revenue balance',
  oldest: 'age years',
  'tallest highest': 'height elevation altitude',
  'longest lengthiest': 'length duration distance minutes time',
  heaviest: 'weight mass kg',
  'fastest quickest': 'speed velocity mph kmh horsepower',
  'biggest largest greatest': 'size area population total amount',
  busiest: 'passengers visitors visits trips orders traffic count sales',
  strongest: 'strength magnitude power wind',
  'loudest noisiest': 'noise decibel volume',
  deepest: 'depth',
  brightest: 'brightness magnitude',
  'strictest hardest': 'difficulty',
  'best top-selling best-selling bestselling': 'score rating sales sold units quantity revenue points',
  'top highest-rated': 'score rating sales points',
  'most max maximum peak record': '',
};

const LOWEST: Readonly<Record<string, string>> = {
  driest: 'precipitation precip prcp rainfall rain water moisture',
  'coldest coolest chilliest': 'temp_min tmin min_temp low temperature temp degrees celsius',
  calmest: 'wind gust',
  cheapest: 'price cost amount fee',
  poorest: 'income wealth gdp salary revenue balance',
  youngest: 'age years',
  shortest: 'length duration height distance minutes time',
  lightest: 'weight mass kg',
  slowest: 'speed velocity mph kmh horsepower',
  smallest: 'size area population total amount',
  weakest: 'strength magnitude power wind',
  quietest: 'noise decibel volume traffic count',
  shallowest: 'depth',
  'worst bottom': 'score rating sales sold revenue points',
  'least lowest fewest min minimum': '',
};

/** End in "est" and pick nothing. */
const NO_SUPERLATIVES = new Set(
  (
    'test rest west nest guest quest chest forest request interest contest harvest protest suggest digest honest invest modest arrest earnest tempest ' +
    'manifest conquest inquest latest earliest newest nearest priest pest vest zest jest crest breast attest detest infest molest ingest divest behest bequest'
  ).split(' '),
);

const KNOWN = new Map<string, Superlative>([...entries(HIGHEST, 'highest'), ...entries(LOWEST, 'lowest')]);

/** Finds all of them in a text, "most expensive" and "least rain" included. */
export function superlativesIn(text: string): Superlative[] {
  const plain = text.toLowerCase();
  const found = [
    ...plain.matchAll(
      /\b(?:most|least) (expensive|costly|common|frequent|popular|valuable|rainy|windy|sunny|humid|snowy)\b|(?<![\w-])[a-z]+(?:-(?:selling|rated))?(?![\w-])/g,
    ),
  ];
  return found.flatMap(([phrase, adjective]) => {
    if (adjective) return [withAdjective(phrase, adjective)];
    return superlativeOf(phrase) ?? [];
  });
}

function superlativeOf(word: string): Superlative | undefined {
  const known = KNOWN.get(word);
  if (known) return known;
  if (word.length < 6 || !word.endsWith('est') || NO_SUPERLATIVES.has(word)) return undefined;
  // An adjective that is not in the lists may still be the name of a column: "spiciest" and "spice".
  return { word, direction: 'highest', columns: [word.replace(/i?est$/, '')], isKnown: false };
}

const ADJECTIVES: Readonly<Record<string, string>> = {
  expensive: 'price cost amount fee',
  costly: 'price cost amount fee',
  valuable: 'value price worth',
  rainy: 'precipitation precip prcp rainfall rain',
  windy: 'wind gust',
  sunny: 'sunshine sun radiation',
  humid: 'humidity',
  snowy: 'snowfall snow',
  popular: 'popularity sales sold visitors rating users',
};

function withAdjective(phrase: string, adjective: string): Superlative {
  const direction = phrase.startsWith('least') ? 'lowest' : 'highest';
  return { word: phrase, direction, columns: ADJECTIVES[adjective]?.split(' ') ?? [], isKnown: true };
}

function entries(
  lists: Readonly<Record<string, string>>,
  direction: Superlative['direction'],
): [string, Superlative][] {
  return Object.entries(lists).flatMap(([names, columns]) =>
    names
      .split(' ')
      .map((word): [string, Superlative] => [
        word,
        { word, direction, columns: columns === '' ? [] : columns.split(' '), isKnown: true },
      ]),
  );
}
