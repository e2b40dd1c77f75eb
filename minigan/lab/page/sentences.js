// What the diagnostics say, newest first, with what may help.
import { element, grouped } from "./elements.js";

/** @typedef {{text: string, label: string}} Remedy */
/** @typedef {{step: number, kind: string, entered: boolean, sentence: string, remedies: Remedy[]}} Notice */

/**
 * @param {Remedy[]} remedies
 * @param {(remedy: Remedy) => void} tried
 * @returns {HTMLButtonElement[]}
 */
export const buttons = (remedies, tried) => remedies.map((remedy) => {
  const button = element("button", { className: "remedy", title: remedy.text }, remedy.label);
  button.dataset.text = remedy.text;
  button.addEventListener("click", () => tried(remedy));
  return button;
});

/** The list, which is written anew only where it differs: a button keeps its focus while the game goes on. */
export class Sentences {
  /**
   * @param {HTMLElement} list
   * @param {(remedy: Remedy) => void} tried
   * @param {(sentence: string) => void} told called with each sentence that is new
   */
  constructor(list, tried, told) {
    this.list = list;
    this.tried = tried;
    this.told = told;
    this.written = "";
    this.game = null;
    /** The notices that were told. @type {Set<string>} */
    this.known = new Set();
  }

  /** @param {Object} header of a frame @param {boolean} able whether this page plays */
  update({ game, notices = [], open = [] }, able) {
    const text = JSON.stringify([game, notices, open, able]);
    if (text === this.written) return;
    this.written = text;
    if (game !== this.game) this.known.clear();
    const first = this.game === null; // what was said before the page was opened is shown, not told
    this.game = game;
    for (const { step, kind, entered, sentence } of notices) {
      const name = `${step} ${kind} ${entered}`;
      if (!this.known.has(name) && !first) this.told(sentence);
      this.known.add(name);
    }
    const focused = this.list.contains(document.activeElement);
    const unmet = new Set(open); // the newest notice of a trouble that lasts has the buttons
    const items = [...notices].reverse().map((notice) => {
      const now = notice.entered && unmet.delete(notice.kind);
      return this.item(notice, now, able);
    });
    if (!items.length) items.push(element("li", { className: "none" }, "Nothing is wrong so far."));
    this.list.replaceChildren(...items);
    if (focused) this.list.focus();
  }

  item({ step, entered, sentence, remedies = [] }, now, able) {
    const item = element("li", { className: now ? "open" : entered ? "" : "over" });
    item.append(element("span", { className: "when" }, `step ${grouped(step)} `), sentence);
    if (!remedies.length) return item;
    if (now) {
      const made = buttons(remedies, this.tried);
      for (const button of made) button.disabled = !able;
      item.append(element("div", { className: "remedies" }, ...made));
    } else if (entered) {
      item.append(element("div", { className: "past" }, `Remedies: ${remedies.map((r) => r.label).join("; ")}`));
    }
    return item;
  }
}
