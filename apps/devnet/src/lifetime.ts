/** Calls `onGone` once when the parent process goes away: npm and npx do not pass signals through the shell they start. */
export function watchParent(onGone: () => void): Disposable {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, 500);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Resolves at SIGINT, SIGTERM, SIGHUP, or when the parent goes away. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve());
    watchParent(() => resolve());
  });
}
