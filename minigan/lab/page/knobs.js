// The knobs: a field and, where both ends are known, a slider for each number; a list for each choice.
import { element } from "./elements.js";

/**
 * @typedef {Object} Knob
 * @property {string} name @property {string} label @property {string} group
 * @property {"choice" | "number" | "integer"} kind
 * @property {string[] | null} choices
 * @property {number | null} low @property {number | null} high @property {boolean} log
 * @property {boolean} optional it may be left empty, and follows something else then
 * @property {string} [none] what an empty field means, as "as lr"
 * @property {*} default
 * @property {string} help
 * @property {boolean} live false: changing it begins the game anew
 */

const notches = 400; // positions of a slider
const widest = 10000; // whole numbers on a slider that is not logarithmic: with more, it only leaps
const pause = 120; // milliseconds between two values of a slider that is dragged

/** @param {Knob} knob @returns {number} where a slider on a logarithmic scale leaves 0, if it reaches down to 0 */
const leastOf = ({ low, high }) => (low > 0 ? low : high * 1e-6);

/** @param {Knob} knob @param {number} position 0 to `notches` @returns {number} */
export function valueAt(knob, position) {
  const { low, high, log, kind } = knob;
  if (position <= 0) return low;
  if (position >= notches) return high; // not rounded: that could be beyond
  const t = position / notches;
  if (log) {
    const value = leastOf(knob) * (high / leastOf(knob)) ** t;
    return kind === "integer" ? Math.round(value) : +value.toPrecision(2);
  }
  const value = low + t * (high - low);
  if (kind === "integer") return Math.round(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(high - low)));
  return +value.toFixed(Math.min(12, decimals));
}

/** @param {Knob} knob @param {number} value @returns {number} */
export function positionOf(knob, value) {
  const { low, high, log } = knob;
  const least = leastOf(knob);
  const t = log ? Math.log(Math.max(value, least) / least) / Math.log(high / least) : (value - low) / (high - low);
  return Math.round(notches * Math.min(1, Math.max(0, t)));
}

/** @param {*} value @returns {string} */
function write(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return `${+value.toPrecision(6)}`;
  return `${value ?? ""}`;
}

/** @param {Knob} knob @returns {boolean} */
const slides = ({ kind, low, high, log }) => kind !== "choice" && low !== null && high !== null
  && (log || kind === "number" || high - low <= widest);

/** One knob with its label, help and complaint. */
class Row {
  /** @param {Knob} knob @param {(name: string, value: *) => void} turned */
  constructor(knob, turned) {
    this.knob = knob;
    this.turned = turned;
    this.value = undefined; // as the server has it
    this.held = 0; // the hand is on it until then
    const { name, label, kind, optional } = knob;
    this.none = knob.none || "none";
    const described = `help-${name} complaint-${name}`;
    const title = element("label", { for: `knob-${name}` }, label);
    if (!knob.live) title.append(element("span", { className: "anew", "aria-hidden": "true" }, "↺"));
    this.complaint = element("span", { className: "complaint", id: `complaint-${name}` });
    const anew = knob.live ? "" : " Changing it begins the game anew.";
    const help = element("span", { className: "help", id: `help-${name}`, role: "tooltip" }, `${knob.help}${anew}`);
    if (kind === "choice") {
      const choices = knob.choices.map((choice) => {
        const words = optional && choice === "none" ? this.none : `${choice}`;
        return element("option", { value: `${choice}` }, words);
      });
      this.input = element("select", { id: `knob-${name}`, "aria-describedby": described }, ...choices);
    } else {
      // A text field: those for numbers refuse "1e" on the way to "1e-4", and their arrows know no logarithms.
      this.input = element("input", {
        type: "text", inputMode: kind === "integer" ? "numeric" : "decimal", id: `knob-${name}`, autocomplete: "off",
        spellcheck: false, placeholder: optional ? this.none : "", "aria-describedby": described,
      });
    }
    this.element = element("div", { className: "knob" }, title, this.input);
    if (slides(knob)) {
      this.slider = element("input", {
        type: "range", min: 0, max: notches, step: 1, id: `slider-${name}`, "aria-label": `${label}, slider`,
        "aria-describedby": `help-${name}`,
      });
      this.element.append(this.slider);
      this.listenToSlider();
    }
    this.element.append(this.complaint, help);
    this.input.addEventListener("change", () => this.enter());
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.dirty) this.revert();
      else this.element.classList.add("put-away");
    });
    this.element.addEventListener("focusin", () => this.element.classList.remove("put-away"));
  }

  /** What stands in the field is not what the server has. */
  get dirty() {
    return this.input.value !== this.written(this.value);
  }

  /** @param {*} value @returns {string} as it stands in the field */
  written(value) {
    return this.knob.kind === "choice" && value === null ? "none" : write(value);
  }

  revert() {
    this.complain("");
    this.show(this.value, true);
  }

  /** The field was left, or Enter was pressed. */
  enter() {
    const text = this.input.value.trim();
    const { name, kind, optional } = this.knob;
    if (optional && ["", "none", this.none].includes(text)) return this.turned(name, null);
    if (kind === "choice") return this.turned(name, text);
    const value = text === "" ? NaN : Number(text.replace(",", "."));
    if (Number.isNaN(value)) return this.complain("A number is expected here.");
    return this.turned(name, value);
  }

  /** Live knobs follow the hand, a few values a second; the others wait until it lets go, as they begin a game. */
  listenToSlider() {
    let timer = 0;
    const send = () => {
      timer = 0;
      this.turned(this.knob.name, this.sliding);
    };
    this.slider.addEventListener("input", () => {
      this.held = performance.now() + 800;
      this.sliding = valueAt(this.knob, +this.slider.value);
      this.input.value = write(this.sliding);
      this.slider.setAttribute("aria-valuetext", this.input.value);
      if (this.knob.live && !timer) timer = setTimeout(send, pause);
    });
    this.slider.addEventListener("change", () => {
      clearTimeout(timer);
      send();
    });
  }

  /** @param {*} value the server's @param {boolean} [force] also over what was typed */
  show(value, force = false) {
    const typed = this.dirty && (document.activeElement === this.input || this.complaint.textContent);
    const before = this.value;
    this.value = value;
    if (!force && performance.now() < this.held) return;
    if (!force && typed && value === before) return;
    if (this.dirty) this.input.value = this.written(value);
    if (!this.slider) return;
    const shown = value ?? this.knob.default ?? this.knob.low;
    this.element.classList.toggle("unset", value === null);
    const position = `${positionOf(this.knob, shown)}`;
    if (this.slider.value !== position) this.slider.value = position;
    this.slider.setAttribute("aria-valuetext", write(value) || this.input.placeholder);
  }

  /** @param {string} sentence empty: all is well */
  complain(sentence) {
    this.complaint.textContent = sentence;
    this.input.setAttribute("aria-invalid", sentence ? "true" : "false");
  }
}

/** All knobs, in groups. */
export class Knobs {
  /**
   * @param {HTMLElement} place
   * @param {Knob[]} knobs
   * @param {(name: string, value: *) => void} turned called with what somebody wants
   */
  constructor(place, knobs, turned) {
    /** @type {Map<string, Row>} */
    this.rows = new Map(knobs.map((knob) => [knob.name, new Row(knob, turned)]));
    const groups = new Map();
    for (const knob of knobs) {
      if (!groups.has(knob.group)) groups.set(knob.group, element("fieldset", {}, element("legend", {}, knob.group)));
      groups.get(knob.group).append(this.rows.get(knob.name).element);
    }
    place.replaceChildren(...groups.values());
    this.groups = [...groups.values()];
    this.place = place;
  }

  /** @param {Object<string, *>} settings */
  show(settings) {
    for (const [name, row] of this.rows) {
      row.element.hidden = !(name in settings); // it means nothing in this game
      if (name in settings) row.show(settings[name]);
    }
    for (const group of this.groups) group.hidden = !group.querySelector(".knob:not([hidden])");
  }

  /** @param {boolean} able */
  enable(able) {
    for (const group of this.groups) group.disabled = !able;
    if (able) this.place.removeAttribute("tabindex");
    else this.place.tabIndex = 0; // nothing in it takes the focus, and the keyboard must scroll it
  }

  /**
   * @param {Object<string, string>} complaints
   * @param {string[]} asked names that were set: where nothing is said about one, it is well
   * @returns {string[]} complaints about something else than a knob
   */
  complain(complaints, asked) {
    for (const name of asked) this.rows.get(name)?.complain(complaints[name] ?? "");
    const others = [];
    for (const [name, sentence] of Object.entries(complaints)) {
      if (this.rows.has(name)) this.rows.get(name).complain(sentence);
      else others.push(sentence);
    }
    return others;
  }

  /** Another game: what was complained about is past. */
  forgive() {
    for (const row of this.rows.values()) if (row.complaint.textContent) row.revert();
  }
}
