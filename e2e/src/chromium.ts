import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Path of the npm package's Chromium; undefined where npm left that optional dependency out (its `engines` refuse Node 20). */
async function packagedChromium(): Promise<string | undefined> {
  const name: string = '@sparticuz/chromium'; // not a literal: types must check without the package
  try {
    const packaged: { default: { executablePath(): Promise<string> } } = await import(name);
    return await packaged.default.executablePath();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

async function candidates(): Promise<string[]> {
  const named = process.env.CHROMIUM_PATH ? [process.env.CHROMIUM_PATH] : [];
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = [...named, ...onPath].filter((path) => existsSync(path));
  const packaged = await packagedChromium();
  if (packaged) found.push(packaged);
  return found;
}

export type OpenBrowser = AsyncDisposable & { context: BrowserContext };

/** Starts the first Chromium that starts; undefined with the reasons when none does. */
export async function openChromium(): Promise<OpenBrowser | { reasons: string[] }> {
  const reasons: string[] = [];
  for (const executablePath of await candidates()) {
    const profile = mkdtempSync(join(tmpdir(), 'cairn-chromium-'));
    try {
      const context = await chromium.launchPersistentContext(profile, {
        executablePath,
        args: FLAGS,
        timeout: 30_000,
      });
      return {
        context,
        async [Symbol.asyncDispose]() {
          await context.close();
          rmSync(profile, { recursive: true, force: true });
        },
      };
    } catch (error) {
      rmSync(profile, { recursive: true, force: true });
      reasons.push(
        `${executablePath}: ${error instanceof Error ? error.message.split('\n')[0] : error}`,
      );
    }
  }
  return { reasons: reasons.length > 0 ? reasons : ['no Chromium was found'] };
}
