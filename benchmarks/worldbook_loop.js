// The plain way to scan a worldbook: every pass asks every entry, every entry builds its text, and every key
// folds that text again. `worldbook.py` feeds it a book and a chat on stdin and compares.
"use strict";

const { entries, chat, depth, budget, runs } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const lines = chat.map((one) => `${one.name}: ${one.text}`.trim()).reverse();

function substitute(text) {
  return text
    .replace(/\{\{user\}\}/gi, "User")
    .replace(/\{\{char\}\}/gi, "Char")
    .replace(/<user>/gi, "User")
    .replace(/<char>/gi, "Char")
    .replace(/<bot>/gi, "Char");
}

function pattern(key) {
  const found = /^\/([\s\S]+)\/([gimsuy]*)$/.exec(key);
  if (!found || /(^|[^\\])\//.test(found[1])) return null;
  try {
    return new RegExp(found[1].replace("\\/", "/"), found[2]);
  } catch {
    return null;
  }
}

function matches(text, key) {
  const regex = pattern(key);
  if (regex) return regex.test(text);
  const haystack = text.toLowerCase();
  const needle = key.toLowerCase();
  if (/\s/.test(needle)) return haystack.includes(needle);
  const plain = needle.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?:^|\\W)(${plain})(?:$|\\W)`).test(haystack);
}

function scan() {
  const sorted = [...entries].sort((a, b) => b.order - a.order);
  const active = new Set();
  const recursion = [];
  let recursionText = "";
  let overflowed = false;
  for (let again = true; again; ) {
    const taken = [];
    for (const entry of sorted) {
      if (active.has(entry)) continue;
      if (entry.constant) {
        taken.push(entry);
        continue;
      }
      const text = "\x01" + [...lines.slice(0, depth), ...recursion].join("\n\x01");
      if (entry.key.some((key) => matches(text, substitute(key).trim()))) taken.push(entry);
    }
    let now = "";
    for (const entry of taken) {
      now += substitute(entry.content) + "\n";
      if (recursionText.length + now.length >= budget) {
        overflowed = true;
        break;
      }
      active.add(entry);
    }
    const text = taken.map((entry) => substitute(entry.content)).join("\n");
    again = taken.length > 0 && !overflowed;
    if (again) {
      recursion.push(text);
      recursionText = text + "\n" + recursionText;
    }
  }
  return [...active].map((entry) => entry.uid);
}

let best = Infinity;
let order = [];
for (let run = 0; run < runs; run++) {
  const began = process.hrtime.bigint();
  order = scan();
  best = Math.min(best, Number(process.hrtime.bigint() - began) / 1e9);
}
console.log(JSON.stringify({ seconds: best, order }));
