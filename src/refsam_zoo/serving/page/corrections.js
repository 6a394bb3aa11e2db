// Marks on frames that say where a mask should be: clicks, boxes, and the same with keys.

const DRAG = 6; // pixels of the screen from which a click is a box
const KEYS = "The clip. Arrow keys move a cross, Enter marks what belongs to the sentence, Shift and Enter what does not, "
  + "B begins and ends a box, Backspace takes the last mark back.";
const STEP = 1 / 60; // of the picture's width, by which an arrow key moves the cross

export class Corrections {
  /**
   * `chosen` gives the number of the sentence that is corrected, `wanted` whether a plain click says what belongs to it;
   * `changed` is called when there are other marks.
   */
  constructor({ canvas, player, chosen, wanted, changed, say }) {
    Object.assign(this, { canvas, player, chosen, wanted, changed, say, marks: [], applied: 0, ready: false, cross: null });
    this.label = canvas.getAttribute("aria-label");
    player.decorate = (context, frame) => this.draw(context, frame);
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => this.forget());
    canvas.addEventListener("contextmenu", (event) => this.ready && event.preventDefault());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.cross = this.corner = null;
      this.redraw();
    });
  }

  /** Begins anew: nothing is marked. */
  clear() {
    this.marks = [];
    this.applied = 0;
    this.forget();
    this.changed();
  }

  /** Whether marks are taken now. */
  set taking(ready) {
    this.ready = ready;
    this.canvas.classList.toggle("marking", ready);
    this.canvas.setAttribute("role", ready ? "application" : "img");
    this.canvas.setAttribute("aria-label", ready ? KEYS : this.label);
    if (ready) this.canvas.tabIndex = 0;
    else this.canvas.removeAttribute("tabindex");
    this.changed();
  }

  get waiting() {
    return this.marks.slice(this.applied);
  }

  /** What the server is asked: all marks, those of a frame and sentence together. */
  take() {
    const together = new Map();
    for (const { frame, sentence, point, wanted, box } of this.marks) {
      const key = `${frame}/${sentence}`;
      if (!together.has(key)) together.set(key, { frame, sentence, points: [], wanted: [], box: null });
      const one = together.get(key);
      if (box) {
        one.box = box;
      } else {
        one.points.push(point);
        one.wanted.push(wanted);
      }
    }
    this.applied = this.marks.length;
    this.changed();
    return [...together.values()];
  }

  undo() {
    if (this.marks.length > this.applied) this.marks.pop();
    this.changed();
    this.redraw();
  }

  add(mark) {
    this.marks.push({ frame: this.player.current, sentence: this.chosen(), ...mark });
    this.changed();
    this.redraw();
  }

  place(event) {
    const { width, height } = this.player.clip, around = this.canvas.getBoundingClientRect();
    const inside = (value, most) => Math.min(most, Math.max(0, value));
    return [
      inside(((event.clientX - around.left) / around.width) * width, width),
      inside(((event.clientY - around.top) / around.height) * height, height),
    ];
  }

  press(event) {
    if (!this.ready) return;
    this.player.pause();
    const other = event.button !== 0 || event.shiftKey;
    this.pressed = { point: this.place(event), x: event.clientX, y: event.clientY, other };
    this.canvas.setPointerCapture(event.pointerId);
  }

  drag(event) {
    if (!this.pressed) return;
    const far = Math.hypot(event.clientX - this.pressed.x, event.clientY - this.pressed.y) >= DRAG;
    if ((far || this.box) && !this.pressed.other) {
      this.box = boxOf(this.pressed.point, this.place(event));
      this.redraw();
    }
  }

  release() {
    if (!this.pressed) return;
    const { point, other } = this.pressed, { box } = this;
    this.forget();
    this.add(box ? { box } : { point, wanted: this.wanted() !== other });
  }

  forget() {
    this.pressed = this.box = null;
  }

  key(event) {
    if (!this.ready) return;
    const { width, height } = this.player.clip, step = width * STEP;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    this.cross ??= [width / 2, height / 2];
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      this.cross = [Math.min(width, Math.max(0, this.cross[0] + x)), Math.min(height, Math.max(0, this.cross[1] + y))];
      this.say(`cross at ${this.cross.map(Math.round).join(", ")}`);
    } else if (event.key === "Enter") {
      const wanted = this.wanted() !== event.shiftKey;
      this.add({ point: [...this.cross], wanted });
      this.say(wanted ? "marked: belongs to it" : "marked: does not belong to it");
    } else if (event.key === "b" && this.corner) {
      this.add({ box: boxOf(this.corner, this.cross) });
      this.corner = null;
      this.say("box marked");
    } else if (event.key === "b") {
      this.corner = [...this.cross];
      this.say("corner of a box; move on and press b");
    } else if (event.key === "Backspace") {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
    this.redraw();
  }

  redraw() {
    if (this.player.clip) this.player.show(this.player.current);
  }

  draw(context, frame) {
    const { factor } = this.player, size = this.canvas.width / 90;
    context.save();
    context.lineWidth = Math.max(2, size / 4);
    for (const mark of this.marks.filter((one) => one.frame === frame)) {
      drawMark(context, mark, factor, size, this.player.colours[mark.sentence]);
    }
    const pending = this.box ?? (this.corner && boxOf(this.corner, this.cross));
    if (pending) drawMark(context, { box: pending }, factor, size, this.player.colours[this.chosen()]);
    if (this.cross) drawCross(context, this.cross, factor, size);
    context.restore();
  }
}

const boxOf = ([x, y], [otherX, otherY]) => [Math.min(x, otherX), Math.min(y, otherY), Math.max(x, otherX), Math.max(y, otherY)];

function drawMark(context, { box, point, wanted }, factor, size, colour) {
  if (box) {
    const [left, top, right, bottom] = box.map((value) => value * factor);
    context.setLineDash([size, size / 2]);
    context.strokeStyle = `rgb(${colour})`;
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
    return;
  }
  const [x, y] = point.map((value) => value * factor);
  context.beginPath();
  context.arc(x, y, size, 0, 2 * Math.PI);
  context.fillStyle = wanted ? "#0b7a35" : "#b3131b";
  context.fill();
  context.strokeStyle = "#fff";
  context.stroke();
  context.beginPath(); // a plus or a minus, since not everybody tells green from red
  context.moveTo(x - size / 2, y);
  context.lineTo(x + size / 2, y);
  if (wanted) {
    context.moveTo(x, y - size / 2);
    context.lineTo(x, y + size / 2);
  }
  context.stroke();
}

function drawCross(context, point, factor, size) {
  const [x, y] = point.map((value) => value * factor);
  for (const [width, colour] of [[5, "#000"], [2, "#fff"]]) {
    Object.assign(context, { lineWidth: width, strokeStyle: colour });
    context.beginPath();
    context.moveTo(x - 2 * size, y);
    context.lineTo(x + 2 * size, y);
    context.moveTo(x, y - 2 * size);
    context.lineTo(x, y + 2 * size);
    context.stroke();
  }
}
