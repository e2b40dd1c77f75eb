// The page of minigan lab: it pulls frames, shows them, and sends what somebody wants.
import { Charts } from "./charts.js";
import { whenColoursChange } from "./colours.js";
import { Drawing } from "./drawing.js";
import { element, grouped } from "./elements.js";
import { Hand } from "./hand.js";
import { Knobs } from "./knobs.js";
import { buttons, Sentences } from "./sentences.js";
import * as stage from "./stage.js";
import * as take from "./take.js";
import { say, tell } from "./voice.js";
import { Walk } from "./walk.js";
import * as wire from "./wire.js";

const byId = (id) => document.getElementById(id);
const turn = 40; // milliseconds of play in a pull
const seldom = 250; // between pulls of a slow game, and of one that is only watched
const shortly = 50; // between pulls of a game that rests, while somebody walks about in it
const again = 1000; // between tries to find a server that was lost
const silence = "The server does not answer; trying again.";

/** What this page wants and knows. */
const state = {
  running: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  slow: false,
  lost: false,
  /** A pull is on its way. */
  pulling: false,
  /** Something changed: pull once, though the game is paused. */
  due: true,
  /** Deeds on their way, and how many there were: a frame that was asked for before a deed shows old settings. */
  doing: 0,
  deeds: 0,
  /** A frame waits to be drawn. */
  undrawn: false,
  timer: 0,
  /** When the last pull was sent, and the last one for a step. */
  pulled: -Infinity,
  stepped: -Infinity,
};
/** For tests, and for the curious in the console. @type {{frame: Object | null, arrays: Object}} */
window.lab = { frame: null, arrays: {} };

let about;
let knobs;
let drawing;
const walk = new Walk(() => {
  state.due = true;
  next();
});
const hand = new Hand(() => walk.view());
const charts = new Charts(byId("charts"), byId("trail"));
const sentences = new Sentences(byId("sentences"), (remedy) => act("try", { text: remedy.text }), tell);

// Pulls

/** Send the next pull, or see to it that one is sent in time. */
function next() {
  clearTimeout(state.timer);
  if (state.pulling || document.hidden) return;
  const { frame } = window.lab;
  const at = (time, wish) => {
    const rest = time - performance.now();
    if (rest > 0) state.timer = setTimeout(pull, rest, wish);
    else pull(wish);
  };
  const plays = state.running && (frame?.playing ?? true) && !frame?.failed;
  if (state.lost) state.timer = setTimeout(pull, again, { ms: 0 });
  else if (plays && !state.slow) pull({ ms: turn });
  else if (plays && performance.now() >= state.stepped + seldom) pull({ steps: 1 });
  else if (state.due) at(state.pulled + shortly, { ms: 0 });
  else if (plays) at(state.stepped + seldom, { steps: 1 });
  else if (frame && !frame.playing && !about.run) at(state.pulled + seldom, { ms: 0 });
}

/** @param {{ms?: number, steps?: number}} wish */
async function pull(wish) {
  const deeds = state.deeds;
  state.pulling = true;
  state.due = false;
  state.pulled = performance.now();
  if (wish.steps) state.stepped = state.pulled;
  let frame;
  try {
    frame = await wire.pull({ ...wish, view: { ...stage.view(), ...walk.view() } });
    lost("");
  } catch (error) {
    lost(error instanceof wire.Lost ? silence : error.message);
  }
  state.pulling = false;
  if (frame) accept(frame, !state.doing && deeds === state.deeds);
  next();
}

/** @param {string} sentence empty: found again */
function lost(sentence) {
  if (state.lost !== Boolean(sentence)) tell(sentence || "The server answers again.");
  state.lost = Boolean(sentence);
  banner("lost", sentence);
}

/** @param {wire.Frame} frame @param {boolean} current its settings are not older than what was asked for since */
function accept({ header, arrays }, current) {
  const before = window.lab.frame;
  window.lab.frame = header;
  window.lab.arrays = arrays;
  if (header.game !== before?.game) speed.restart();
  speed.count(header.step);
  if (about.run) showRun(header);
  else {
    if (current) showSettings(header.settings);
    if (header.playing !== before?.playing) showPlaying(header.playing);
  }
  showFailure(header);
  if (header.failed && state.running) run(false);
  if (!state.undrawn) {
    state.undrawn = true;
    requestAnimationFrame(show);
  }
}

/** Draw the newest frame; the next pull is under way meanwhile. */
function show() {
  state.undrawn = false;
  const { frame: header, arrays } = window.lab;
  if (!header) return;
  byId("steps").textContent = `${header.step}`;
  byId("speed").textContent = pace(header);
  stage.draw({ header, arrays }, changed);
  walk.show({ header, arrays });
  hand.show({ header, arrays });
  charts.update({ header, arrays });
  sentences.update(header, header.playing);
  showFigures(header.figures ?? []);
  drawing.allow(header.world === "plane" && header.playing);
  if (about.run) return;
  take.link(header.session);
  keepHash();
}

/** @param {Object} header @returns {string} how fast it goes, if it does */
function pace({ begun: [done, wanted] = [0, 0], step }) {
  if (!step && done < wanted) return `D alone: ${grouped(done)} of ${grouped(wanted)}`;
  if (!state.running) return "paused";
  return speed.value ? `${grouped(speed.value)} a second` : "";
}

/** Show something that changed here: another layer may need an array that was left out. */
function changed() {
  state.due = true;
  next();
  show();
}

const speed = {
  value: 0,
  restart() { this.marks = []; this.value = 0; },
  /** @param {number} step */
  count(step) {
    const now = performance.now();
    this.marks.push([now, step]);
    while (this.marks.length > 2 && now - this.marks[0][0] > 1500) this.marks.shift();
    const [then, first] = this.marks[0];
    const value = now - then > 300 ? (1000 * (step - first)) / (now - then) : 0;
    this.value = value >= 10 ? Math.round(value) : +value.toFixed(1);
  },
};
speed.restart();

let hashing = 0;
/** The address is the game's; browsers want it changed seldom. */
function keepHash() {
  if (hashing) return;
  const write = () => {
    const hash = `#${window.lab.frame.session}`;
    if (location.hash === hash) return false;
    history.replaceState(null, "", hash);
    return true;
  };
  const rest = () => {
    hashing = 0;
    if (write()) hashing = setTimeout(rest, 1000);
  };
  rest();
}

// Deeds

/**
 * Ask for something.
 * @param {string} what
 * @param {Object} [more]
 * @returns {Promise<boolean>} whether it was done
 */
async function act(what, more = {}) {
  state.doing++;
  state.deeds++;
  let answer;
  try {
    answer = await wire.act(what, more);
  } catch (error) {
    const gone = error instanceof wire.Lost;
    if (gone) lost(silence);
    answer = { ok: false, complaints: gone ? {} : { "": error.message }, said: gone ? "Not done: no answer." : null };
  }
  state.doing--;
  if (["begin", "preset", "restart"].includes(what)) knobs.forgive();
  const others = knobs.complain(answer.complaints ?? {}, Object.keys(more.settings ?? {}));
  banner("complaint", others.join(" "));
  for (const sentence of Object.values(answer.complaints ?? {})) tell(sentence);
  if (answer.said) (what === "preset" ? tell : say)(answer.said); // the words of a preset stand beside it already
  state.due = true;
  next();
  return answer.ok;
}

/** @param {boolean} on */
function run(on) {
  state.running = on;
  byId("run").classList.toggle("on", on);
  byId("run").lastElementChild.textContent = on ? "Pause" : "Run";
  if (on) speed.restart();
  state.due = true;
  next();
  show();
}

function toggle() {
  const { frame } = window.lab;
  if (about.run || (frame && !frame.playing)) return;
  run(!state.running);
  tell(state.running ? "running" : `paused at step ${frame?.step ?? 0}`);
}

/** One player or both, then a pause: single steps are for looking. @param {"both" | "d" | "g"} who */
async function play(who) {
  if (state.running) run(false);
  const n = Number(byId("count").value);
  const names = { both: "D and G", d: "D", g: "G" };
  if (await act("play", { who, n })) tell(`${names[who]}: ${n === 1 ? "one update" : `${n} updates`}`);
}

// What stands around the picture

/** Banners by what they are about, so that one does not hide another. @type {Map<string, (Node | string)[]>} */
const banners = new Map();

/** @param {string} about @param {...(Node | string)} parts nothing, or "": take it away */
function banner(about, ...parts) {
  const text = parts.map((part) => part.textContent ?? part).join("");
  if ((banners.get(about) ?? []).map((part) => part.textContent ?? part).join("") === text) return;
  if (text) banners.set(about, parts);
  else banners.delete(about);
  const box = byId("banner");
  box.hidden = !banners.size;
  const nodes = [...banners.values()].flat();
  box.replaceChildren(...nodes.map((part) => (part instanceof Node ? part : element("span", {}, part))));
  if (!banners.has("complaint")) return;
  const close = element("button", {}, "Close");
  close.addEventListener("click", () => banner("complaint"));
  box.append(close);
}

/** @param {Object} settings the server's */
function showSettings(settings) {
  knobs.show(settings);
  choose(byId("preset"), settings.preset, "(own settings)");
  choose(byId("data"), settings.data, "your own points");
  byId("seed").hidden = !Number.isInteger(settings.seed);
  showPreset(settings.preset);
}

/** When somebody chose. @type {Map<HTMLSelectElement, number>} */
const chosen = new Map();

/**
 * @param {HTMLSelectElement} select
 * @param {string | null} name
 * @param {string} otherwise the title of a name that is not known
 */
function choose(select, name, otherwise) {
  const value = name ?? "";
  if (select.value === value || performance.now() - (chosen.get(select) ?? -Infinity) < 800) return; // just chosen
  if (![...select.options].some((option) => option.value === value)) {
    select.append(element("option", { value }, otherwise));
  }
  select.value = value;
}

/** @param {string | null} name */
function showPreset(name) {
  const text = about.presets.find((preset) => preset.name === name)?.text ?? "";
  if (byId("preset-text").textContent !== text) byId("preset-text").textContent = text;
  const { cures = [], playing } = window.lab.frame;
  const box = byId("cures");
  const written = JSON.stringify([cures, playing]);
  if (box.dataset.written === written) return;
  const focused = box.contains(document.activeElement);
  box.dataset.written = written;
  box.hidden = !cures.length;
  const made = buttons(cures, (cure) => act("try", { text: cure.text }));
  for (const button of made) button.disabled = !playing;
  box.replaceChildren(element("span", {}, "Try:"), ...made);
  if (focused) byId("preset").focus();
}

/** @param {boolean} playing this page plays, it does not only watch */
function showPlaying(playing) {
  knobs.enable(playing);
  for (const id of ["run", "step", "d-only", "g-only", "count", "slow", "restart", "seed", "preset", "data"]) {
    byId(id).disabled = !playing;
  }
  if (playing) return banner("watching");
  const here = element("button", { id: "take-over" }, "Play here");
  here.addEventListener("click", () => act("take over"));
  tell("Another tab plays this game; this one watches.");
  return banner("watching", "Another tab plays this game; this one watches.", here);
}

/** A run that was opened: nothing is played, and nothing can be turned. @param {Object} header */
function showRun({ recipe, step }) {
  const text = `runs/${about.run}, after ${grouped(step)} steps: what it has learned`;
  const more = recipe ? ` (recipe ${recipe})` : "";
  const box = byId("opened");
  if (box.textContent !== text + more) box.replaceChildren(text, element("span", {}, more));
}

/** @param {Object} header */
function showFailure({ failed, can_go_back: back, playing }) {
  const box = byId("alert");
  const written = failed ? `${failed} ${back} ${playing}` : "";
  if ((box.dataset.written ?? "") === written) return;
  box.dataset.written = written;
  box.hidden = !failed;
  box.replaceChildren();
  if (!failed) return;
  box.append(element("span", {}, failed));
  if (!back || !playing) return;
  const button = element("button", { id: "back" }, "Go back");
  button.addEventListener("click", () => act("back"));
  box.append(button);
}

/** @param {{name: string, value: string, help: string}[]} figures */
function showFigures(figures) {
  const list = byId("figures");
  const names = JSON.stringify(figures.map((figure) => figure.name));
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    list.replaceChildren(...figures.map(({ name, help }) => element(
      "div", { title: help ?? "" }, element("dt", {}, name), element("dd"),
    )));
  }
  figures.forEach(({ value }, i) => {
    const place = list.children[i].lastElementChild;
    if (place.textContent !== value) place.textContent = value;
  });
}

// Start

/** @returns {boolean} whether Space means something where the focus is */
const takesSpace = (target) => target.closest("input, select, button, a, dialog, #pad") !== null;

function listen() {
  byId("run").addEventListener("click", toggle);
  byId("step").addEventListener("click", () => play("both"));
  byId("d-only").addEventListener("click", () => play("d"));
  byId("g-only").addEventListener("click", () => play("g"));
  byId("slow").addEventListener("change", (event) => {
    state.slow = event.target.checked;
    speed.restart();
    next();
  });
  byId("restart").addEventListener("click", () => act("restart"));
  byId("seed").addEventListener("click", () => act("set", { settings: { seed: window.lab.frame.settings.seed + 1 } }));
  for (const [id, ask] of [
    ["preset", (name) => act("preset", { name })],
    ["data", (name) => act("set", { settings: { data: name } })],
  ]) {
    byId(id).addEventListener("change", (event) => {
      chosen.set(event.target, performance.now());
      if (event.target.value) ask(event.target.value);
    });
  }
  addEventListener("keydown", (event) => {
    document.body.classList.toggle("by-keyboard", true);
    if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey || takesSpace(event.target)) return;
    event.preventDefault(); // no scrolling
    if (!event.repeat) toggle();
  });
  addEventListener("pointerdown", () => document.body.classList.toggle("by-keyboard", false));
  document.addEventListener("visibilitychange", next);
  addEventListener("hashchange", () => begin());
  whenColoursChange(() => show());
}

/** The game that the address tells of, if it tells of one that is not here already. */
async function begin() {
  const session = location.hash.slice(1);
  if (session && !about.run && session !== window.lab.frame?.session) await act("begin", { session });
}

/** @returns {Promise<Object>} what there is; the server is waited for */
async function learnAbout() {
  for (;;) {
    try {
      const known = await wire.about();
      lost("");
      return known;
    } catch (error) {
      lost(error instanceof wire.Lost ? silence : error.message);
      await new Promise((done) => setTimeout(done, again));
    }
  }
}

async function start() {
  about = await learnAbout();
  const option = ({ name, title }) => element("option", { value: name }, title);
  byId("preset").replaceChildren(...about.presets.map(option));
  byId("data").replaceChildren(...about.data.map(option));
  byId("version").textContent = `minigan ${about.version}`;
  const opened = Boolean(about.run);
  for (const id of ["toolbar", "experiment", "knobs", "diagnostics", "link", "keys"]) byId(id).hidden = opened;
  byId("opened").hidden = !opened;
  document.body.classList.toggle("opened", opened);
  knobs = new Knobs(byId("knobs"), about.knobs, (name, value) => act("set", { settings: { [name]: value } }));
  drawing = new Drawing(
    () => window.lab.frame.view,
    (points) => act("points", { points }),
    (name, text) => act("csv", { name, text }),
  );
  take.furnish(() => window.lab.frame?.step ?? 0, opened);
  listen();
  // A page that is loaded again finds its game where it was; another address is another game.
  const running = state.running && !opened;
  state.running = false;
  await pull({ ms: 0 });
  await begin();
  run(running);
  if (!running && !opened) say("Paused, as your system asks for little motion: Space or Run starts the game.");
}

start();
