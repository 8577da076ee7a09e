// JSON-RPC over a real port: the rules of spec/storage-rpc.md section 1, and bytes that follow none.
import { CodedError } from '@cairn/base';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invalidParams } from '../src/index.ts';
import type { HttpServer } from '../src/node/index.ts';
import { BATCH_ANSWER_CHARS_MAX, BATCH_MAX } from '../src/node/json-rpc.ts';
import { post, startServer } from './support.ts';

let server: HttpServer;
let calls = 0;
beforeAll(async () => {
  server = await startServer({
    maxBodyBytes: 100_000,
    methods: {
      echo: (params) => [...params],
      nothing: () => undefined,
      count: () => ++calls,
      large: () => 'x'.repeat(BATCH_ANSWER_CHARS_MAX / 2),
      refuse: () => {
        throw invalidParams('root', 'no');
      },
      coded: () => {
        throw new CodedError({ code: 'X', kind: 'exhausted', message: 'full' });
      },
      bug: () => {
        throw new TypeError('secret detail');
      },
    },
  });
});
afterAll(() => server.stop(100));
const rpc = (body: string): ReturnType<typeof post> => post(server.url, body);

describe('a call', () => {
  it.each([
    ['without params', '{"jsonrpc":"2.0","id":1,"method":"echo"}', []],
    ['with null', '{"jsonrpc":"2.0","id":1,"method":"echo","params":null}', []],
    ['with an empty list', '{"jsonrpc":"2.0","id":1,"method":"echo","params":[]}', []],
    ['with a list', '{"jsonrpc":"2.0","id":1,"method":"echo","params":[1,null]}', [1, null]],
    ['on another path', '{"jsonrpc":"2.0","id":1,"method":"echo","params":[2]}', [2]],
  ])('%s is answered', async (name, body, result) => {
    const answer = await post(
      `${server.url}${name === 'on another path' ? '/any/path' : ''}`,
      body,
    );
    expect(answer).toMatchObject({ status: 200, json: { jsonrpc: '2.0', result, id: 1 } });
  });

  it('that gives nothing has the result null, never a missing key', async () => {
    const { text } = await rpc('{"jsonrpc":"2.0","id":1,"method":"nothing"}');
    expect(text).toBe('{"jsonrpc":"2.0","result":null,"id":1}');
  });

  it.each([
    '1',
    '-1',
    '0',
    '17324234234234567',
    '18446744073709551615',
    '9007199254740993',
    '1.5',
    '123456789012345678901234567890',
    '"a\\u0062"',
    'null',
  ])('with id %s gets the same id back', async (id) => {
    const { text } = await rpc(`{"jsonrpc":"2.0","method":"echo","params":[{"id":7}],"id":${id}}`);
    const expected = id.startsWith('"') ? '"ab"' : id;
    expect(text).toBe(`{"jsonrpc":"2.0","result":[{"id":7}],"id":${expected}}`);
    const batch = await rpc(`[{"jsonrpc":"2.0","id": ${id}, "method":"nope"}]`);
    expect(batch.text).toContain(`"id":${expected}}`);
  });

  it.each(['{}', '[]', 'true'])('with id %s is invalid', async (id) => {
    const { json } = await rpc(`{"jsonrpc":"2.0","id":${id},"method":"count"}`);
    expect(json).toEqual({
      jsonrpc: '2.0',
      error: { code: -32600, message: 'Invalid Request' },
      id: null,
    });
  });

  it('that fails has an error object and HTTP 200', async () => {
    const error = async (method: string): Promise<unknown> => {
      const { status, json } = await rpc(`{"jsonrpc":"2.0","id":1,"method":"${method}"}`);
      expect(status).toBe(200);
      return (json as { error: unknown }).error;
    };
    expect(await error('refuse')).toEqual({
      code: -32602,
      message: 'Invalid params: root',
      data: 'no',
    });
    expect(await error('coded')).toEqual({ code: -32000, message: 'full' });
    expect(await error('bug')).toEqual({ code: -32603, message: 'Internal error' });
    expect(await error('toString')).toEqual({ code: -32601, message: 'Method not found' });
    expect(await error('__proto__')).toEqual({ code: -32601, message: 'Method not found' });
  });

  it('with named params is refused', async () => {
    const { json } = await rpc('{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":1}}');
    expect(json).toMatchObject({ error: { code: -32602 }, id: 1 });
  });
});

describe('a notification', () => {
  it('runs and is not answered, alone or in a batch', async () => {
    const before = calls;
    const alone = await rpc('{"jsonrpc":"2.0","method":"count"}');
    expect(alone).toMatchObject({ status: 204, text: '' });
    const both = await rpc(
      '[{"jsonrpc":"2.0","method":"count"},{"jsonrpc":"2.0","id":5,"method":"count"}]',
    );
    expect(both.json).toEqual([{ jsonrpc: '2.0', result: before + 3, id: 5 }]);
    expect((await rpc('[{"jsonrpc":"2.0","method":"refuse"}]')).status).toBe(204);
  });
});

describe('a batch', () => {
  it('is answered in order, each call for itself', async () => {
    const { json } = await rpc(
      '[{"id":1,"method":"echo","params":[1]},5,{"id":2,"method":"refuse"},{"id":3,"method":"echo"}]',
    );
    expect(json).toMatchObject([
      { id: 1, result: [1] },
      { id: null, error: { code: -32600 } },
      { id: 2, error: { code: -32602 } },
      { id: 3, result: [] },
    ]);
  });

  it.each([0, BATCH_MAX + 1])('of %d calls is refused whole', async (count) => {
    const before = calls;
    const batch = JSON.stringify(
      Array.from({ length: count }, (_, id) => ({ id, method: 'count' })),
    );
    expect((await rpc(batch)).json).toMatchObject({ error: { code: -32600 }, id: null });
    expect(calls).toBe(before);
  });

  it('whose answers grow too long ends with errors', async () => {
    const batch = JSON.stringify(Array.from({ length: 5 }, (_, id) => ({ id, method: 'large' })));
    const answers = (await rpc(batch)).json as { error?: { message: string } }[];
    expect(answers.map((answer) => answer.error?.message)).toEqual([
      undefined,
      undefined,
      'the batch answer is too large',
      'the batch answer is too large',
      'the batch answer is too large',
    ]);
  });
});

describe('what is not a call', () => {
  it.each([
    ['nothing', '', -32700],
    ['half of a call', '{"jsonrpc":"2.0","id":1,"met', -32700],
    ['a number', '5', -32600],
    ['null', 'null', -32600],
    ['a text', '"zgs_getStatus"', -32600],
    ['a call without a method', '{"jsonrpc":"2.0","id":1}', -32600],
    ['a method that is no text', '{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ['too many bytes', `"${'x'.repeat(100_000)}"`, -32600],
  ])('%s gets an error with HTTP 200', async (_, body, code) => {
    const { status, json } = await rpc(body);
    expect(status).toBe(200);
    expect(json).toMatchObject({ jsonrpc: '2.0', error: { code } });
  });

  it('any bytes and any JSON leave the server answering', async () => {
    const text = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc
        .record({
          id: fc.jsonValue(),
          method: fc.constantFrom('echo', 'nope', ''),
          params: fc.jsonValue(),
        })
        .map((call) => JSON.stringify(call)),
      fc.array(fc.jsonValue(), { maxLength: 5 }).map((calls) => JSON.stringify(calls)),
    );
    await fc.assert(
      fc.asyncProperty(text, async (body) => {
        const { status, json } = await rpc(body);
        expect([200, 204]).toContain(status);
        if (status === 200) expect(json).toBeTypeOf('object');
      }),
      { numRuns: 200 },
    );
    expect((await rpc('{"id":1,"method":"echo"}')).json).toMatchObject({ result: [] });
  });
});
