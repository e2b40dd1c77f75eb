// Take it along: the game as Python, as a command, as a checkpoint, as pictures, as a link.
import { canvas } from "./stage.js";
import { say } from "./voice.js";
import * as wire from "./wire.js";

const byId = (id) => document.getElementById(id);
const dialog = byId("along");
const [frames, ms] = [40, 100]; // four seconds
const side = 480; // pixels, at most

/** @param {string} words */
function note(words) {
  byId("along-said").textContent = words; // itself a polite region: what lies behind an open dialog is not read out
}

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {string} text @param {string} name what it is @param {(words: string) => void} told */
async function copy(text, name, told) {
  try {
    await navigator.clipboard.writeText(text);
    told(`${name} copied.`);
  } catch {
    told(`The browser does not let this page copy. ${name}: ${text}`);
  }
}

/** @param {HTMLElement} button @param {() => Promise<void>} work one at a time; what fails is said */
function does(button, work) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      note(error.message);
    }
    button.disabled = false;
  });
}

/** @returns {Promise<string[]>} the picture, ten times a second, as PNGs */
async function record() {
  const ratio = Math.min(1, side / Math.max(canvas.width, canvas.height));
  const small = document.createElement("canvas");
  [small.width, small.height] = [canvas.width, canvas.height].map((n) => Math.max(1, Math.round(n * ratio)));
  const ctx = small.getContext("2d");
  ctx.imageSmoothingQuality = "high";
  const taken = [];
  const begun = performance.now();
  for (let i = 0; i < frames; i++) {
    ctx.drawImage(canvas, 0, 0, small.width, small.height);
    taken.push(small.toDataURL("image/png"));
    if (i % 10 === 0) note(`Recording: ${4 - i / 10} seconds left.`);
    await new Promise((done) => setTimeout(done, Math.max(0, begun + (i + 1) * ms - performance.now())));
  }
  return taken;
}

/**
 * @param {() => number} step the game's, for names of files
 * @param {boolean} opened a run: its folder has the rest already, and its samples do not move
 */
export function furnish(step, opened) {
  const texts = opened ? [] : ["python", "command"];
  const rest = ["save-checkpoint", "save-gif", "python", "python-title", "command", "command-title"];
  for (const id of rest) byId(id).hidden = opened;
  byId("take").addEventListener("click", async () => {
    note("");
    dialog.showModal();
    for (const name of texts) {
      byId(name).textContent = "…";
      const write = (text) => { byId(name).textContent = text; };
      wire.text(name).then(write, (error) => write(error.message));
    }
  });
  byId("along-close").addEventListener("click", () => dialog.close());
  for (const name of texts) {
    does(byId(`copy-${name}`), () => copy(byId(name).textContent, name === "python" ? "Python" : "Command", note));
  }
  does(byId("save-checkpoint"), async () => {
    download(await wire.checkpoint(), `minigan-${step()}.npz`);
    note("Checkpoint saved.");
  });
  does(byId("save-png"), async () => {
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    download(blob, `minigan-${step()}.png`);
    note("Picture saved.");
  });
  does(byId("save-gif"), async () => {
    const taken = await record();
    note("Writing the GIF …");
    download(await wire.gif(taken, ms), `minigan-${step()}.gif`);
    note("GIF saved.");
  });
  byId("link").addEventListener("click", (event) => {
    event.preventDefault();
    copy(event.currentTarget.href, "Link", say);
  });
}

/** @param {string} session */
export function link(session) {
  const href = `${location.pathname}${location.search}#${session}`;
  if (byId("link").getAttribute("href") !== href) byId("link").setAttribute("href", href);
}
