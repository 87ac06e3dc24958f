// What examples/javascript does, with the package `ws`: each message in two fragments.
import { createRequire } from "node:module";

const { WebSocket } = createRequire(`${process.env.NODE_PACKAGES}/`)("ws");
const headers = { Authorization: `Bearer ${process.env.TRANSCRIBER_API_KEY}` };
const socket = new WebSocket(process.argv[2], { headers });
let complete = false;

async function send() {
  for await (const chunk of process.stdin) {
    const middle = chunk.length >> 1;
    socket.send(chunk.subarray(0, middle), { fin: false });
    await new Promise((resolve) => socket.send(chunk.subarray(middle), { fin: true }, resolve));
  }
  socket.send("END");
}

socket.on("open", send);
socket.on("message", (data) => {
  const event = JSON.parse(data);
  if (event.type === "transcription" && event.text) console.log(event.text);
  else if (["warning", "error"].includes(event.type)) console.error(event.code);
  complete ||= event.type === "complete";
});
socket.on("unexpected-response", (_, response) => {
  console.error(`HTTP ${response.statusCode}`);
  process.exit(1);
});
socket.on("close", () => process.exit(complete ? 0 : 1));
