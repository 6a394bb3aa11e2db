// Talks to the server; what goes wrong becomes an Error with one clear line.

async function answerOf(request) {
  let answer;
  try {
    answer = await request;
  } catch {
    throw new Error("The server cannot be reached.");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `The server answered with ${answer.status}.`);
}

export const get = (path) => answerOf(fetch(path));

export const post = (path, content = {}) =>
  answerOf(fetch(path, { method: "POST", body: JSON.stringify(content), headers: { "Content-Type": "application/json" } }));

export const remove = (path) => answerOf(fetch(path, { method: "DELETE" }));

/** Sends a file and tells how much of it is there, 0 to 1; `fetch` cannot tell. */
export function upload(file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "clips");
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(request.response);
      else reject(new Error(request.response?.error ?? `The server answered with ${request.status}.`));
    });
    request.addEventListener("error", () => reject(new Error("The upload broke off. Is the file too large, or the server gone?")));
    request.send(file);
  });
}

/** Follows a clip; the server deletes it when this is closed. */
export function follow(clip, handlers) {
  const source = new EventSource(`clips/${clip.id}/events`);
  for (const [kind, handler] of Object.entries(handlers)) {
    if (kind !== "lost") source.addEventListener(kind, (event) => handler(JSON.parse(event.data)));
  }
  source.addEventListener("error", () => { source.close(); handlers.lost(); });
  return source;
}
