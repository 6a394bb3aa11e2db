// The list of sentences: a colour, a field and a strip of the frames in which it was found for each.

import { isEmpty } from "./masks.js";

export class Sentences {
  /** `marking` says whether one of them can be chosen, to be corrected. */
  constructor({ list, add, colours, most, longest, marking }) {
    Object.assign(this, { list, addButton: add, colours, most, longest, marking });
    add.addEventListener("click", () => this.add("").focus());
  }

  /** Begins anew with some sentences. */
  reset(texts) {
    this.list.replaceChildren();
    texts.slice(0, this.most).forEach((text) => this.add(text));
  }

  add(text) {
    const row = document.createElement("li");
    const colour = Object.assign(
      document.createElement(this.marking ? "input" : "span"),
      { className: "colour", ...(this.marking && { type: "radio", name: "corrected", checked: !this.list.children.length }) },
    );
    const field = Object.assign(document.createElement("input"), {
      type: "text", value: text, maxLength: this.longest, placeholder: "the dog on the left", autocomplete: "off",
    });
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "✕" });
    const strip = Object.assign(document.createElement("canvas"), { className: "strip", width: 1, height: 1 });
    strip.setAttribute("aria-hidden", "true");
    const score = Object.assign(document.createElement("span"), { className: "score" });
    remove.addEventListener("click", () => this.remove(row));
    row.append(colour, field, remove, strip, score);
    this.list.append(row);
    this.number();
    return field;
  }

  remove(row) {
    const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector("[type=text]");
    row.remove();
    if (!this.list.children.length) this.add("");
    this.number();
    if (this.marking && this.chosen < 0) this.list.querySelector(".colour").checked = true;
    (next ?? this.list.querySelector("[type=text]")).focus();
  }

  number() {
    [...this.list.children].forEach((row, index) => {
      row.style.setProperty("--colour", `rgb(${this.colour(index)})`);
      row.querySelector("[type=text]").setAttribute("aria-label", `Sentence ${index + 1}`);
      row.querySelector(".colour").setAttribute("aria-label", `Correct sentence ${index + 1}`);
      row.querySelector("button").setAttribute("aria-label", `Remove sentence ${index + 1}`);
    });
    this.addButton.disabled = this.list.children.length >= this.most;
  }

  colour(index) {
    return this.colours[index % this.colours.length];
  }

  /** The number of the sentence that is to be corrected. */
  get chosen() {
    return [...this.list.children].findIndex((row) => row.querySelector(".colour").checked);
  }

  /** Takes rows without words away; gives the texts of the others. */
  take() {
    const empty = [...this.list.children].filter((row) => !row.querySelector("[type=text]").value.trim());
    if (empty.length < this.list.children.length) empty.forEach((row) => this.remove(row));
    return [...this.list.querySelectorAll("[type=text]")].map((field) => field.value.trim()).filter(Boolean);
  }

  /** Empties the strips from a frame on. */
  begin(first, frames) {
    for (const row of this.list.children) {
      const strip = row.querySelector(".strip");
      if (first) strip.getContext("2d").clearRect(first, 0, frames, 1);
      else strip.width = frames;
      row.querySelector(".score").textContent = "";
    }
  }

  /** Marks where a frame's sentences were found. */
  mark(found) {
    found.masks.forEach((mask, index) => {
      const context = this.list.children[index]?.querySelector(".strip").getContext("2d");
      if (!context) return;
      context.fillStyle = `rgb(${this.colour(index)})`;
      context.clearRect(found.frame, 0, 1, 1);
      if (!isEmpty(mask)) context.fillRect(found.frame, 0, 1, 1);
    });
  }

  /** Tells the scores of the frame that is shown. */
  tell(found) {
    [...this.list.children].forEach((row, index) => {
      const mask = found?.masks[index];
      row.querySelector(".score").textContent = mask === undefined ? ""
        : isEmpty(mask) ? "not in this frame" : `in this frame, score ${found.scores[index].toFixed(2)}`;
    });
  }
}
