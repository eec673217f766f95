/** Rings after so many milliseconds, unless what it returns was called by then: as the Worker has it. */
export function after(ms: number, ring: () => void): () => void {
  const timer = setTimeout(ring, ms);
  return () => clearTimeout(timer);
}
