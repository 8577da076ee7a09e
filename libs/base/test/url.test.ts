import { describe, expect, it } from 'vitest';
import { redactUrl } from '../src/index.ts';

describe('a URL that is printed', () => {
  it.each([
    ['http://127.0.0.1:8545', 'http://127.0.0.1:8545'],
    ['http://127.0.0.1:8545/', 'http://127.0.0.1:8545/'],
    ['https://user:pass@rpc.example/x', 'https://<redacted>@rpc.example/x'],
    ['https://a@b@rpc.example', 'https://<redacted>@rpc.example'],
    [
      'https://rpc.example/v3/0123456789abcdef0123456789abcdef',
      'https://rpc.example/v3/<redacted>',
    ],
    ['wss://rpc.example/?apikey=abc&x=1#f', 'wss://rpc.example/?apikey=<redacted>&x=<redacted>'],
    ['0x1234', '0x1234'],
    ['/var/lib/some-long-folder-name-here', '/var/lib/some-long-folder-name-here'],
  ])('%s shows no secret', (url, shown) => {
    expect(redactUrl(url)).toBe(shown);
  });
});
