// Audio from standard input to a transcriber, its text to standard output: `node live.mjs URL < speech.wav`.
// Needs Node.js 22 or newer and no package.

const SEND_AHEAD_BYTES = 2 ** 20;
const LOOK_AGAIN_MS = 20;

const [url] = process.argv.slice(2);
const key = process.env.TRANSCRIBER_API_KEY;
// A page can't set headers: it asks a server of its own for a token (docs/protocol.md, "Credentials").
const socket = new WebSocket(url, key ? { headers: { Authorization: `Bearer ${key}` } } : undefined);
let complete = false;

// As it comes. send() takes everything at once, so what the network has not taken yet is watched.
async function sendAll() {
  for await (const chunk of process.stdin) {
    while (socket.bufferedAmount > SEND_AHEAD_BYTES && socket.readyState === WebSocket.OPEN) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    socket.send(chunk);
  }
  socket.send("END");
}

// What is not known here is left alone: there may be more one day.
function show(message) {
  if (message.type === "transcription" && message.text) {
    console.log(message.text);
  } else if (message.type === "warning" || message.type === "error") {
    console.error(`${message.code}: ${message.message}`);
  }
  return message.type === "complete";
}

socket.addEventListener("open", sendAll);
socket.addEventListener("message", ({ data }) => {
  complete = show(JSON.parse(data)) || complete;
});
socket.addEventListener("error", ({ message }) => console.error(`refused, or no connection: ${message}`));
socket.addEventListener("close", () => process.exit(complete ? 0 : 1));
