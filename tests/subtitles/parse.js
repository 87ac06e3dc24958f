// Validates WebVTT: a JSON string a line in, what its parser made of it a line out. Argument: the parser's folder.
const readline = require("node:readline");
const path = require("node:path");
const { WebVTTParser } = require(path.join(process.argv[2], "parser.js"));
const entities = require(path.join(process.argv[2], "html-entities.json"));

function text(node) {
  if (node.type === "text") return node.value;
  return (node.children || []).map(text).join("");
}

function voices(node) {
  const inner = (node.children || []).flatMap(voices);
  return node.name === "v" ? [node.value, ...inner] : inner;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { cues, errors } = new WebVTTParser(entities).parse(JSON.parse(line), "subtitles");
  const heard = cues.map((cue) => ({
    start: cue.startTime,
    end: cue.endTime,
    text: text(cue.tree),
    voices: voices(cue.tree),
  }));
  process.stdout.write(JSON.stringify({ cues: heard, errors }) + "\n");
});
