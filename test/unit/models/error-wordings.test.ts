import assert from 'node:assert/strict';
import { classifyApiError } from '../../../src/models/errors.ts';
import { cpuTimer } from '../../helpers/cpu-time.ts';

/** What it means: an overflow, a refusal, or something that passes, perhaps after so many milliseconds. */
type Meaning = 'overflow' | 'passes' | number | { refusal: string };
type Row = readonly [server: string, status: number | undefined, body: unknown, meaning: Meaning];

const refused = (refusal: string): Meaning => ({ refusal });
const error = (message: string, more: object = {}): object => ({ error: { message, ...more } });
const raw = (status: number, words: unknown): object =>
  error('Provider returned error', {
    code: status,
    metadata: { raw: typeof words === 'string' ? words : JSON.stringify(words), provider_name: 'X' },
  });

const ROWS: readonly Row[] = [
  ['Moonshot: overflow', 400, error('Invalid request: Your request exceeded model token limit: 8192'), 'overflow'],
  ['Moonshot, older', 400, error('model max length exceeded, max length:8192'), 'overflow'],
  ['Qwen: overflow', 400, error('Range of input length should be [1, 129024]'), 'overflow'],
  ['Zhipu: overflow', 400, error('Prompt exceeds max length', { code: '1261' }), 'overflow'],
  ['MiniMax: overflow', 400, error('invalid params, context window exceeds limit (2013)'), 'overflow'],
  ['Ollama: overflow', 400, error('the input length exceeds the context length'), 'overflow'],
  ['Cohere: overflow', 400, { message: 'too many tokens: size limit exceeded by 11326 tokens.' }, 'overflow'],
  [
    'Mistral: overflow',
    400,
    {
      object: 'error',
      message: 'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      type: 'invalid_request_prompt',
      code: '3051',
    },
    'overflow',
  ],
  [
    'LM Studio: overflow',
    400,
    error('The number of tokens to keep from the initial prompt is greater than the context length. Load a larger one'),
    'overflow',
  ],
  ['LM Studio in mid-stream', undefined, error('Reached context length of 4096 tokens with model'), 'overflow'],
  ['nginx: overflow', 413, '<html><h1>413 Request Entity Too Large</h1></html>', 'overflow'],
  [
    'OpenRouter: overflow inside',
    400,
    raw(400, { error: { message: "This model's maximum context length is 32768 tokens." } }),
    'overflow',
  ],
  [
    'OpenAI: an id that is too long is no overflow',
    400,
    error("Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40.", {
      code: 'string_above_max_length',
      param: 'messages[2].tool_calls[0].id',
    }),
    refused('form'),
  ],
  [
    'Gemini: a wrong key',
    400,
    [
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
          details: [{ reason: 'API_KEY_INVALID' }],
        },
      },
    ],
    refused('key'),
  ],
  ['Gemini: no key', 400, [error('Missing or invalid Authorization header.', { code: 400 })], refused('key')],
  [
    'Azure: a wrong key',
    401,
    error('Access denied due to invalid subscription key or wrong API endpoint.', { code: '401' }),
    refused('key'),
  ],
  ['xAI: a wrong key', 400, { code: 'Invalid argument', error: 'Incorrect API key provided: xa***' }, refused('key')],
  ['OpenRouter: an unknown user', 401, error('User not found.', { code: 401 }), refused('key')],
  [
    'xAI: no credit yet',
    403,
    { code: 'No permission', error: "Your newly created team doesn't have any credits yet." },
    refused('credit'),
  ],
  [
    'xAI: no credit left',
    429,
    { error: 'Your team has either used all available credits or reached its monthly spending limit.' },
    refused('credit'),
  ],
  ['Qwen: not paid', 400, error('Access denied.', { code: 'Arrearage' }), refused('credit')],
  [
    'LiteLLM: the budget',
    400,
    error('Budget has been exceeded! Current cost: 20, Max budget: 10', { type: 'budget_exceeded' }),
    refused('credit'),
  ],
  [
    'MiniMax: no balance',
    undefined,
    { base_resp: { status_code: 1008, status_msg: 'insufficient balance' } },
    refused('credit'),
  ],
  [
    'Anthropic: a limit of the person',
    400,
    error('You have reached your specified API usage limits. You will regain access on 2026-12-01.', {
      type: 'invalid_request_error',
    }),
    refused('quota'),
  ],
  [
    'Gemini: the free tier, for a minute',
    429,
    [
      {
        error: {
          code: 429,
          message:
            'You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: free_tier_requests, limit: 10\nPlease retry in 34.07s.',
          status: 'RESOURCE_EXHAUSTED',
          details: [{ violations: [{ quotaValue: '10' }] }, { retryDelay: '34s' }],
        },
      },
    ],
    34_070,
  ],
  [
    'Groq: a model that is gone',
    400,
    error('The model `x` has been decommissioned and is no longer supported.'),
    refused('model'),
  ],
  ['LM Studio: no model', 404, error('No models loaded. Please load a model.'), refused('model')],
  ['OpenRouter: nobody serves it', 404, error('No endpoints found for a/b:free.', { code: 404 }), refused('model')],
  ['OpenRouter: nobody takes images', 404, error('No endpoints found that support image input'), refused('form')],
  [
    'OpenAI: a parameter that the model does not take is not the model',
    400,
    error("Unsupported value: this model's 'stream' is not supported", { param: 'stream' }),
    refused('form'),
  ],
  [
    'llama.cpp: images',
    500,
    error('image input is not supported - hint: provide the mmproj', { code: 500 }),
    refused('form'),
  ],
  [
    'llama.cpp: tools',
    500,
    error('tools param requires --jinja flag', { code: 500, type: 'server_error' }),
    refused('form'),
  ],
  ['a gateway: 500 around 400', 500, error('bad tool', { code: 400 }), refused('form')],
  [
    'vLLM in mid-stream',
    undefined,
    { object: 'error', message: 'no', type: 'BadRequestError', code: '400' },
    refused('form'),
  ],
  [
    'Azure: its filter',
    400,
    error('Filtered', { code: 'content_filter', innererror: { code: 'X' } }),
    refused('policy'),
  ],
  ['OpenRouter: its moderation', 403, error('x requires moderation. Your input was flagged.'), refused('policy')],
  ['DeepSeek: its filter', 400, error('Content Exists Risk'), refused('policy')],
  ['Qwen: its filter', 400, error('No.', { code: 'data_inspection_failed' }), refused('policy')],
  ['OpenRouter: the limit of a key', 403, error('Key limit exceeded. Manage it in the settings'), refused('credit')],
  ['a proxy that wants a name', 407, 'Proxy Authentication Required', refused('address')],
  ['overload under 400', 400, error('This model is currently overloaded, not available at the moment'), 'passes'],
  ['Groq: a rate under 498', 498, error('Flex tier capacity exceeded', { code: 'capacity_exceeded' }), 'passes'],
  ['a rate under 400', 400, error('Slow down', { code: 'rate_limit_exceeded' }), 'passes'],
  ['a rate under 403', 403, error('Slow down', { type: 'ThrottlingException' }), 'passes'],
  [
    'OpenRouter: a rate inside',
    undefined,
    raw(429, 'a/b is temporarily rate-limited upstream. Please retry shortly'),
    'passes',
  ],
  ['a model that loads', 503, error('Loading model', { type: 'unavailable_error' }), 'passes'],
  [
    'Groq: per day',
    429,
    error('Rate limit reached on tokens per day (TPD): Limit 9. Please try again in 14m24.5s.'),
    864_500,
  ],
  ['GitHub Models', 429, error('Rate limit of 10 per 60s exceeded. Please wait 17 seconds before retrying.'), 17_000],
  ['Moonshot: RPM', 429, error('organization max RPM: 3, please try again after 1 seconds'), 1_000],
  ['Azure', 429, error('Requests have exceeded the token rate limit. Please retry after 26 seconds.'), 26_000],
  ['about', 429, error('Please try again in about 2 minutes'), 120_000],
  ['days', 429, error('try again in 1 day'), 86_400_000],
  ['a field of the body', 429, error('Rate limited', { metadata: { retry_after_seconds: 9 } }), 9_000],
  ['and', 429, error('Please try again in 1 minute and 30 seconds'), 90_000],
  ['later', 429, error('Too many requests, please try again 30 seconds later'), 30_000],
  ['resets', 429, error('The quota resets in 23h59m'), 86_340_000],
  ['Hugging Face: loads', 503, { error: 'Model m is currently loading', estimated_time: 20.5 }, 20_500],
  ['a gateway: a wrong key under 500', 500, error('Incorrect API key provided'), refused('key')],
  ['a gateway: no credit under 503', 503, error('insufficient user quota'), refused('credit')],
  ['plain HTTP to a port of HTTPS', 400, 'Client sent an HTTP request to an HTTPS server.', refused('address')],
  ['a host that is another', 421, 'Misdirected Request', refused('address')],
  ['an API that is gone', 410, { error: 'Please use https://router.example' }, refused('address')],
  ['a server of files', 501, '<html>Unsupported method (POST)</html>', refused('address')],
  ['a redirect to nowhere', 302, '', refused('address')],
  [
    'OpenAI: a country',
    403,
    error('Not supported', { code: 'unsupported_country_region_territory' }),
    refused('access'),
  ],
  ['Azure: a firewall', 403, error('Access denied due to Virtual Network/Firewall rules.'), refused('access')],
  ['Qwen: a model that was not ordered', 403, error('Access to model denied.'), refused('model')],
  ['Qwen: the free tier', 403, error('The free tier of the model has been exhausted.'), refused('quota')],
  ['Bedrock: no such model', 400, { message: 'The provided model identifier is invalid.' }, refused('model')],
  ['a client that was closed', 499, 'client closed request', 'passes'],
  [
    'a header in the body',
    429,
    error('Rate limited', { metadata: { headers: { 'X-RateLimit-Reset': '12' } } }),
    12_000,
  ],
  ['a limit of an account', 429, { error: { type: 'usage_limit_reached', resets_in_seconds: 3_600 } }, 3_600_000],
  ['llama.cpp: overflow', 500, error('context shift is disabled', { type: 'server_error' }), 'overflow'],
  ['Together: overflow', 422, error("The prompt length 140000 exceeds the model's maximum 131072"), 'overflow'],
  ['Copilot: overflow', 400, error('prompt token count of 130000 exceeds the limit of 128000'), 'overflow'],
  [
    'TensorRT-LLM: overflow',
    400,
    { message: 'The sum of prompt length (40000.0), query length (0) should not exceed max_num_tokens (8192)' },
    'overflow',
  ],
  ['TGI: overflow', 422, { error: '`inputs` must have less than 4095 tokens. Given: 5000' }, 'overflow'],
  [
    'watsonx: overflow',
    400,
    { errors: [{ message: 'the number of input tokens 5000 cannot exceed the total tokens limit 4096' }] },
    'overflow',
  ],
  ['Ernie: overflow', undefined, { error_code: 336007, error_msg: 'the max input characters is 20000' }, 'overflow'],
  [
    'SiliconFlow: overflow',
    400,
    { code: 20015, message: 'length of prompt_tokens (40000) must be less than max_seq_len (32768).' },
    'overflow',
  ],
  ['Novita: overflow', 400, { message: 'the input tokens exceeded the max tokens limit' }, 'overflow'],
  ['Perplexity: overflow', 400, error('Total tokens exceed 127072'), 'overflow'],
  ['Zhipu: overflow in Chinese', 400, error('Prompt 超长', { code: '1261' }), 'overflow'],
  ['Anthropic: long context', 429, error('Extra usage is required for long context requests.'), 'overflow'],
  [
    'Bedrock: tokens in a minute are no overflow',
    400,
    { __type: 'ThrottlingException', message: 'Too many tokens, please wait before trying again.' },
    'passes',
  ],
  ['MiniMax: rate', undefined, { base_resp: { status_code: 1002, status_msg: 'rate limit exceeded(RPM)' } }, 'passes'],
  [
    'MiniMax: key',
    undefined,
    {
      base_resp: {
        status_code: 1004,
        status_msg: "login fail: Please carry the API secret key in the 'Authorization'",
      },
    },
    refused('key'),
  ],
  [
    'MiniMax: policy',
    undefined,
    { base_resp: { status_code: 1026, status_msg: 'input new_sensitive' } },
    refused('policy'),
  ],
  ['Zhipu: policy', 400, error('系统检测到输入可能包含不安全或敏感内容', { code: '1301' }), refused('policy')],
  ['xAI: policy', 403, { error: 'Content violates usage guidelines. Failed check: X' }, refused('policy')],
  ['LM Studio: a crash', 400, { error: 'The model has crashed without additional information.' }, 'passes'],
  ['LM Studio: unloaded', 400, { error: 'Model unloaded.' }, 'passes'],
  ['vLLM: a tokenizer at work', 400, { object: 'error', message: 'Already borrowed' }, 'passes'],
  [
    'OpenAI: no streaming before verification',
    403,
    error('Your organization must be verified to stream this model.', { param: 'stream', code: 'unsupported_value' }),
    refused('form'),
  ],
  ['Bedrock: no use case', 404, { message: 'Model use case details have not been submitted' }, refused('model')],
  ['SambaNova: gone', 410, { error: 'Model deprecated', error_code: 'model_deprecated' }, refused('model')],
  ['Ark: not activated', 404, error('Your account has not activated it.', { code: 'ModelNotOpen' }), refused('model')],
  ['Ark: overdue', 403, error('It has an overdue balance.', { code: 'AccountOverdueError' }), refused('credit')],
  [
    'SiliconFlow: credit',
    403,
    { code: 30001, message: 'Sorry, your account balance is insufficient' },
    refused('credit'),
  ],
];

describe('[M10] what servers say of an error', () => {
  for (const [server, status, body, meaning] of ROWS) {
    it(server, () => {
      const { type, details, retryAfterMs } = classifyApiError({ status, headers: new Headers(), body }, 'm');
      const expected =
        meaning === 'overflow'
          ? { type: 'ContextOverflow' }
          : meaning === 'passes'
            ? { type: 'ModelUnavailable' }
            : typeof meaning === 'number'
              ? { type: 'ModelUnavailable', waitMs: meaning }
              : { type: 'ModelRejected', ...meaning };
      assert.deepEqual(
        { type, refusal: details['refusal'], waitMs: retryAfterMs },
        { refusal: undefined, waitMs: undefined, ...expected },
      );
    });
  }

  it('is read in a short time, however long', () => {
    for (const words of [' ', '\n', 'model ', 'try again in 1s', 'api key ', '"retry_after": ', '`', '{', '1.']) {
      const cpuMs = cpuTimer();
      classifyApiError({ status: 429, headers: new Headers(), body: words.repeat(1_000_000 / words.length) }, 'm');
      assert.ok(cpuMs() < 10_000, JSON.stringify(words));
    }
  });
});
