// What is said aloud: one polite region, at most one message a second.

const region = document.getElementById("live");
const line = document.getElementById("said");
/** @type {string[]} */
let waiting = [];
let timer = 0;

function speak() {
  timer = 0;
  if (!waiting.length) return;
  region.textContent = waiting.shift();
  timer = setTimeout(speak, 1000);
}

/** @param {string} sentence for those who listen; the oldest of many that wait are dropped */
export function tell(sentence) {
  if (waiting.at(-1) === sentence) return;
  waiting = [...waiting, sentence].slice(-3);
  if (!timer) speak();
}

/** @param {string} sentence for all: it also stands below the picture */
export function say(sentence) {
  line.textContent = sentence;
  tell(sentence);
}
