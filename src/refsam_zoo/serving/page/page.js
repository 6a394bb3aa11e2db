// The page: bring a clip, ask, watch, take home.

import { Corrections } from "./corrections.js";
import { Player } from "./player.js";
import { Sentences } from "./sentences.js";
import * as server from "./server.js";

const $ = (id) => document.getElementById(id);
let settings, sentences, corrections, clip, source, asked;

const player = new Player({
  canvas: $("canvas"), slider: $("frame"), play: $("play"), position: $("position"),
  shown: (number) => sentences.tell(number === null ? null : player.frames[number]),
});

function complain(error) {
  $("problem").textContent = error?.message ?? "";
  $("problem").hidden = !error;
}

/** Does something that a person asked for, and says what went wrong with it. */
async function attempt(action) {
  complain(null);
  try {
    await action();
  } catch (error) {
    complain(error);
  }
}

const say = (text) => { $("status").textContent = text; };

function arrive(arrived) {
  clip = arrived;
  $("arrival").hidden = true;
  $("stage").hidden = $("panel").hidden = false;
  $("results").hidden = $("progress").hidden = true;
  $("facts").textContent = `${clip.name}: ${clip.width}x${clip.height}, ${clip.frames} frames, ${clip.seconds.toFixed(1)} s`;
  sentences.reset(clip.suggestions.length ? clip.suggestions.slice(0, 2) : [""]);
  say("");
  $("correct").hidden = $("uncorrectable").hidden = true;
  source = server.follow(clip, { run, queue, frame, end, lost });
  player.open(clip);
  corrections.clear();
  $("sentences").querySelector("[type=text]").focus();
}

function leave() {
  source?.close();
  if (clip) server.remove(`clips/${clip.id}`).catch(() => {}); // it is gone already
  clip = source = null;
  busy(false);
  player.close();
  $("arrival").hidden = false;
  $("stage").hidden = $("panel").hidden = true;
  $("file").value = "";
  $("file").focus();
}

function busy(running) {
  $("find").hidden = running;
  corrections.taking = !running && settings.takes_marks && player.frames.length > 0;
  $("stop").hidden = $("progress").hidden = !running;
  for (const part of $("sentences").querySelectorAll("input, button")) part.disabled = running;
  $("add").disabled = running || $("sentences").children.length >= settings.sentences;
}

function run({ sentences: texts, first }) {
  asked = texts;
  player.begin(first, texts.map((_, index) => sentences.colour(index)));
  sentences.begin(first, clip.frames);
  Object.assign($("progress"), { max: clip.frames, value: first });
  $("results").hidden = first === 0;
  busy(true);
}

function queue({ ahead }) {
  say(ahead ? `${ahead} ${ahead === 1 ? "clip is" : "clips are"} before yours…` : "Yours is next…");
}

function frame(found) {
  player.add(found);
  sentences.mark(found);
  $("progress").value = found.frame + 1;
  $("results").hidden = false;
  const quarter = Math.floor((4 * (found.frame + 1)) / clip.frames); // told rarely: it is read aloud
  say(quarter && quarter < 4 ? `${25 * quarter} % of the frames are done…` : "Looking…");
}

function end({ state, message }) {
  busy(false);
  $("find").textContent = "Find again";
  const count = player.frames.length;
  $("correct").hidden = !corrections.ready;
  $("uncorrectable").hidden = settings.takes_marks;
  say({ finished: `Done: ${count} frames.`, stopped: `Stopped after ${count} frames.`, failed: "" }[state]);
  if (state === "failed") complain(new Error(message));
}

function lost() {
  if (!clip) return;
  clip = null; // it was deleted with the connection
  leave();
  complain(new Error("The connection was lost, and with it the clip was deleted. Bring it again."));
}

/** Tells how many marks wait to be applied. */
function marked() {
  const count = corrections?.waiting.length ?? 0;
  $("apply").disabled = $("undo").disabled = !corrections?.ready || !count;
  $("apply").textContent = count > 1 ? `Apply ${count} marks` : "Apply";
}

async function ask(question) {
  say("Asking…");
  try {
    await server.post(`clips/${clip.id}/run`, question);
  } catch (error) {
    say("");
    throw error;
  }
}

function find() {
  const texts = sentences.take();
  corrections.clear();
  return ask({ sentences: texts });
}

const apply = () => ask({ sentences: asked, marks: corrections.take() });

async function send(file) {
  if (file.size > settings.upload_mb * 1e6) {
    throw new Error(`${file.name} is larger than ${settings.upload_mb} MB; bring a shorter or smaller video.`);
  }
  $("upload").hidden = false;
  try {
    arrive(await server.upload(file, (share) => { $("upload").value = share; }));
  } finally {
    $("upload").hidden = true;
    $("file").value = "";
  }
}

async function download(name, button) {
  button.disabled = true;
  say(`Writing ${name}…`);
  try {
    const answer = await server.get(`clips/${clip.id}/outputs/${name}`);
    const [, , named] = /filename(\*=utf-8'')?=?"?([^"]+)/.exec(answer.headers.get("content-disposition"));
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(await answer.blob()), download: decodeURIComponent(named),
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`${link.download} is ready.`);
  } finally {
    button.disabled = false;
  }
}

function offer() {
  for (const { name, what } of settings.outputs) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.setAttribute("aria-description", what);
    button.addEventListener("click", () => attempt(() => download(name, button)));
    for (const kind of ["focus", "mouseenter"]) button.addEventListener(kind, () => { $("what").textContent = `${name}: ${what}`; });
    const item = document.createElement("li");
    item.append(button);
    $("outputs").append(item);
  }
  for (let number = 1; number <= settings.samples; number++) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "sample" });
    const picture = Object.assign(document.createElement("img"), { src: `page/sample-${number}.jpg`, alt: "" });
    button.append(picture);
    button.setAttribute("aria-label", `Sample ${number}`);
    button.addEventListener("click", () => attempt(async () => arrive(await (await server.post(`samples/${number}`)).json())));
    $("samples").append(button);
  }
}

function listen() {
  $("file").addEventListener("change", () => $("file").files[0] && attempt(() => send($("file").files[0])));
  $("another").addEventListener("click", leave);
  $("stop").addEventListener("click", () => attempt(() => server.post(`clips/${clip.id}/stop`)));
  $("panel").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(find);
  });
  $("panel").addEventListener("keydown", (event) => { // Enter on a choice would ask anew
    if (event.key === "Enter" && event.target.type === "radio") event.preventDefault();
  });
  $("apply").addEventListener("click", () => attempt(apply));
  $("undo").addEventListener("click", () => corrections.undo());
  for (const kind of ["dragover", "dragleave", "drop"]) {
    $("drop").addEventListener(kind, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
    });
  }
  $("drop").addEventListener("drop", (event) => event.dataTransfer.files[0] && attempt(() => send(event.dataTransfer.files[0])));
}

attempt(async () => {
  settings = await (await server.get("settings")).json();
  sentences = new Sentences({
    list: $("sentences"), add: $("add"), colours: settings.colours, most: settings.sentences, longest: settings.longest_sentence,
    marking: settings.takes_marks,
  });
  corrections = new Corrections({
    canvas: $("canvas"), player, chosen: () => sentences.chosen, wanted: () => $("belongs").checked, changed: marked, say,
  });
  $("system").textContent = settings.system;
  $("limits").textContent = `mp4, mov, webm, mkv, avi or gif, up to ${settings.upload_mb} MB and ${settings.seconds} seconds`;
  offer();
  listen();
});
