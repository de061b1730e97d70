// A file's tests as steps that build on each other: after one that fails, the others say so and end.
import { test } from 'node:test';

export function steps() {
  let failed;
  return (name, does) => test(name, async () => {
    if (failed) throw new Error(`not tried, because this failed: ${failed}`);
    failed = name;
    await does();
    failed = undefined;
  });
}
