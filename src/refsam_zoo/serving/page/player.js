// Shows a clip's frames with their masks: scrubbing, playing, following what is being computed.

import { paint } from "./masks.js";

const SMALLEST_SHOWN = 720; // pixels of the longer side; smaller frames are enlarged by a whole factor
const BITMAPS = 24; // decoded pictures kept; the others wait as JPEG

export class Player {
  /**
   * `shown` is called with the number of each frame that is drawn, null for none, and `decorate`, where somebody sets it,
   * to draw more on it.
   */
  constructor({ canvas, slider, play, position, shown }) {
    Object.assign(this, { canvas, slider, play, position, shown });
    this.layer = document.createElement("canvas");
    slider.addEventListener("input", () => { this.pause(); this.following = false; this.show(Number(slider.value)); });
    play.addEventListener("click", () => (this.playing ? this.pause() : this.start()));
  }

  /** Takes another clip, `{id, width, height, frames}`, and shows its first frame. */
  async open(clip) {
    this.clip = clip;
    this.frames = [];
    this.pictures = new Map();
    this.bitmaps = new Map();
    this.colours = [];
    this.factor = Math.max(1, Math.ceil(SMALLEST_SHOWN / Math.max(clip.width, clip.height)));
    Object.assign(this.canvas, { width: clip.width * this.factor, height: clip.height * this.factor });
    Object.assign(this.layer, { width: clip.width, height: clip.height });
    Object.assign(this.slider, { max: clip.frames - 1, value: 0, disabled: true });
    this.play.disabled = true;
    this.pause();
    await this.show(0);
  }

  /** Forgets masks from a frame on; the next ones that come are shown as they come. */
  begin(first, colours) {
    this.frames.length = Math.min(this.frames.length, first);
    this.colours = colours;
    this.following = true;
    this.pause();
  }

  /** Takes what was found in a frame. */
  add(found) {
    this.frames[found.frame] = found;
    this.slider.disabled = this.play.disabled = false;
    this.picture(found.frame);
    if (this.following) this.show(found.frame);
  }

  close() {
    this.pause();
    this.clip = null;
  }

  start() {
    this.playing = true;
    this.following = false;
    this.play.textContent = "⏸";
    this.play.setAttribute("aria-label", "Pause");
    if (this.current >= this.frames.length - 1) this.current = 0;
    const begun = performance.now(), from = this.frames[this.current].time;
    const step = async (now) => {
      if (!this.playing) return;
      const time = from + (now - begun) / 1000;
      let next = this.current;
      while (next + 1 < this.frames.length && this.frames[next + 1].time <= time) next++;
      if (next !== this.current) await this.show(next);
      if (next + 1 < this.frames.length) requestAnimationFrame(step);
      else this.pause();
    };
    requestAnimationFrame(step);
  }

  pause() {
    this.playing = false;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
  }

  /** Draws a frame; of those asked for while a picture is on its way, the last one. */
  async show(number) {
    const { clip } = this;
    this.current = number = Math.min(number, Math.max(0, this.frames.length - 1));
    const picture = await this.bitmap(number);
    if (this.clip !== clip || this.current !== number || !picture) return;
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, this.canvas.width, this.canvas.height);
    const found = this.frames[number];
    found?.masks.forEach((mask, index) => this.drawMask(context, mask, this.colours[index]));
    if (found) this.decorate?.(context, number);
    this.slider.value = number;
    this.say(number);
    this.canvas.dataset.frame = found ? number : "";
    this.shown(found ? number : null);
  }

  drawMask(context, mask, colour) {
    const edge = this.factor > 1 ? 1 : 2;
    const painted = paint(mask, this.clip.width, this.clip.height, colour, edge);
    this.layer.getContext("2d").putImageData(painted, 0, 0);
    context.drawImage(this.layer, 0, 0, this.canvas.width, this.canvas.height);
  }

  say(number) {
    const time = (this.frames[number]?.time ?? 0).toFixed(2);
    this.position.textContent = `${number + 1} / ${this.clip.frames} · ${time} s`;
    this.slider.setAttribute("aria-valuetext", `frame ${number + 1} of ${this.clip.frames}, ${time} seconds`);
  }

  /** The JPEG of a frame, asked for once. */
  picture(number) {
    if (!this.pictures.has(number)) {
      this.pictures.set(number, fetch(`clips/${this.clip.id}/pictures/${number}`).then((answer) => (answer.ok ? answer.blob() : null)));
    }
    return this.pictures.get(number);
  }

  async bitmap(number) {
    const { clip } = this;
    const known = this.bitmaps.get(number);
    if (known) return known;
    const blob = await this.picture(number).catch(() => null);
    if (!blob || this.clip !== clip) return null;
    const bitmap = await createImageBitmap(blob);
    this.bitmaps.set(number, bitmap);
    if (this.bitmaps.size > BITMAPS) this.bitmaps.delete(this.bitmaps.keys().next().value);
    return bitmap;
  }
}
