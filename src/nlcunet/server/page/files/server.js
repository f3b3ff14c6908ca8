// Talks with the server. Addresses are relative, so that the page works below any path.

export const address = (path) => new URL(`page/${path}`, document.baseURI).href;

export class Refusal extends Error {
  constructor(status, told) {
    super(told.detail || `The server answered ${status}.`);
    this.status = status;
    this.isLost = status === 0 || status >= 500; // may be different the next time
    this.retryAfter = told.retryAfter;
  }
}

export async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(address(path), options);
  } catch {
    throw new Refusal(0, { detail: "The server cannot be reached." });
  }
  const told = await response.json().catch(() => ({}));
  if (response.status === 401) location.reload(); // asks for a key
  if (!response.ok) throw new Refusal(response.status, told ?? {});
  return told;
}

// Sends a file as the whole body: the browser reads it from the disk while it goes, whatever its size.
export function send(file, order, onProgress, signal) {
  const query = new URLSearchParams({ ...order, name: file.name });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(`pictures?${query}`));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    request.onload = () => {
      let told = {};
      try { told = JSON.parse(request.responseText); } catch { /* then the status must do */ }
      const retryAfter = Number(request.getResponseHeader("Retry-After")) || undefined;
      if (request.status === 202) resolve(told);
      else reject(new Refusal(request.status, { ...told, retryAfter }));
    };
    request.onerror = () => reject(new Refusal(0, { detail: "The server cannot be reached, or the file cannot be read." }));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
