// What is said about pictures, in words.

export const number = (value) => value.toLocaleString("en");

export const size = (width, height) => `${width} × ${height}`;

export function bytes(count) {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} GB`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
  return `${Math.max(1, Math.round(count / 1e3))} kB`;
}

export function time(seconds) {
  if (seconds < 1.5) return "a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const pictures = (count) => (count === 1 ? "1 picture" : `${count} pictures`);

// A sentence of the server, as it stands on the page.
export function sentence(text) {
  const told = text.trim();
  return told.charAt(0).toUpperCase() + told.slice(1) + (/[.!?]$/.test(told) ? "" : ".");
}
