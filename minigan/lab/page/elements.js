// Elements of the page, made with few words.

/**
 * @param {string} tag
 * @param {Object} [properties] `aria-…`, `for` and `role` become attributes, everything else is set as a property
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "for" || name === "role" || name.startsWith("aria-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

const marks = {
  dot: '<circle cx="9" cy="5" r="3.2" fill="C"/>',
  line: '<path d="M1 5h16" stroke="C" stroke-width="2"/>',
  dots: '<path d="M1 5h16" stroke="C" stroke-width="2" stroke-dasharray="2 3"/>',
  dash: '<path d="M1 5h16" stroke="C" stroke-width="2" stroke-dasharray="6 4"/>',
  arrow: '<path d="M1 5h14M11 1.5l4.5 3.5-4.5 3.5" stroke="C" stroke-width="1.4" fill="none"/>',
  ramp: '<rect width="6" height="10" fill="var(--surface-fake)"/>'
    + '<rect x="6" width="6" height="10" fill="var(--surface-half)"/>'
    + '<rect x="12" width="6" height="10" fill="var(--surface-real)"/>',
};

/** @param {string} mark @param {string} [colour] @returns {Node} a small sign for the key of a picture */
export function glyph(mark, colour = "ink") {
  const template = element("template");
  const mine = marks[mark].replaceAll("C", `var(--${colour})`);
  template.innerHTML = `<svg viewBox="0 0 18 10" aria-hidden="true">${mine}</svg>`;
  return template.content.firstChild;
}

/** When a canvas got its label, and what it will be called next. @type {WeakMap<HTMLCanvasElement, Object>} */
const labels = new WeakMap();

/**
 * Describe a canvas anew: every five seconds at most, so that a reader of screens can finish. The last words always come.
 * @param {HTMLCanvasElement} canvas
 * @param {() => string} words
 */
export function describe(canvas, words) {
  const label = labels.get(canvas) ?? { at: -Infinity, timer: 0 };
  labels.set(canvas, label);
  label.words = words;
  if (label.timer) return;
  const write = () => {
    [label.timer, label.at] = [0, performance.now()];
    canvas.setAttribute("aria-label", label.words());
  };
  const rest = label.at + 5000 - performance.now();
  if (rest <= 0) write();
  else label.timer = setTimeout(write, rest);
}

/** @param {number} value @returns {string} for people: at most four digits that count */
export function brief(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1)
    : Number.isInteger(value) ? `${value}` : value.toFixed(digits);
  return text.replaceAll("-", "−");
}

/** @param {number} step @returns {string} */
export const grouped = (step) => step.toLocaleString("en");
