// What goes over the wire: JSON to the server, binary frames back.

/** @typedef {Float32Array | Uint8Array} Numbers */
/** @typedef {{data: Numbers, shape: number[]}} Grid numbers with their shape, rows one after the other */
/** @typedef {{header: Object, arrays: Object<string, Grid>}} Frame what the game is at one moment */
/** @typedef {{ok: boolean, complaints: Object<string, string>, said: string | null}} Answer */

/** The server did not answer at all; another try may find it. */
export class Lost extends Error {}

/** The name of this tab. It outlives a reload, so that the game that is played here stays this tab's. */
export const tab = sessionStorage.getItem("tab") ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
sessionStorage.setItem("tab", tab);

const kinds = { float32: Float32Array, uint8: Uint8Array };

/**
 * A frame as the server packs it: the length of a JSON header, the header, arrays at multiples of 8 bytes.
 * @param {ArrayBuffer} buffer
 * @returns {Frame} its arrays are views of the buffer
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const size = shape.reduce((product, side) => product * side, 1);
    arrays[name] = { data: new kinds[dtype](buffer, 4 + length + offset, size), shape };
  }
  return { header, arrays };
}

/**
 * @param {string} name a path below the page's own folder
 * @param {Object} [body] sent as JSON; without one it is a GET
 * @returns {Promise<Response>}
 * @throws {Lost} nobody answered
 * @throws {Error} the server's sentence
 */
async function ask(name, body) {
  let response;
  try {
    response = await fetch(`./${name}`, body === undefined ? { cache: "no-store" } : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
  } catch {
    throw new Lost("The server does not answer.");
  }
  if (!response.ok) throw new Error((await response.text()) || `The server answered ${response.status}.`);
  return response;
}

/** A connection that breaks within an answer is lost, too. @template T @param {Promise<T>} reading @returns {Promise<T>} */
const read = (reading) => reading.catch((error) => {
  throw error instanceof SyntaxError ? error : new Lost("The server does not answer.");
});

/** @returns {Promise<{version: string, knobs: Object[], presets: Object[], data: Object[], run: string | null}>} */
export const about = async () => read((await ask("about")).json());

/**
 * Let the game go on, and see it.
 * @param {{ms?: number, steps?: number, view: Object}} wish
 * @returns {Promise<Frame>}
 */
export const pull = async (wish) => unpack(await read((await ask("frame", { tab, ...wish })).arrayBuffer()));

/** @param {string} what @param {Object} [more] @returns {Promise<Answer>} */
export const act = async (what, more) => read((await ask("do", { tab, do: what, ...more })).json());

/**
 * What G makes of strokes on a picture.
 * @param {{of: Object, strokes: Object[], steps: number, anew: boolean}} wish
 * @returns {Promise<Frame>}
 */
export const hand = async (wish) => unpack(await read((await ask("hand", wish)).arrayBuffer()));

/** @param {string} name "python" or "command" @returns {Promise<string>} */
export const text = async (name) => read((await ask(name)).text());

/** @returns {Promise<Blob>} */
export const checkpoint = async () => read((await ask("checkpoint.npz")).blob());

/** @param {string[]} frames PNGs as data URLs @param {number} ms how long each is shown @returns {Promise<Blob>} */
export const gif = async (frames, ms) => read((await ask("gif", { frames, ms })).blob());
