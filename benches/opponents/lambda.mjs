// What a Lambda function in Node does with the same payloads: gunzip, parse, split, write a JSON line.
//
// Usage: lambda.mjs DIRECTORY ROUNDS. Prints the events of one round and its median CPU time in nanoseconds. It
// enriches nothing, so it does less than the others. CPU time is the whole process's, collector and compiler included:
// that is what is billed.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const [directory, rounds] = process.argv.slice(2);

function handle(payload) {
  const envelope = JSON.parse(gunzipSync(payload).toString("utf8"));
  if (envelope.messageType !== "DATA_MESSAGE") return [];
  const zone = envelope.logGroup.replace("/aws/route53/", "");
  return envelope.logEvents.map((event) => {
    const fields = event.message.split(" ");
    return JSON.stringify({
      id: event.id,
      time: fields[1],
      zone_id: fields[2],
      zone,
      name: fields[3].toLowerCase(),
      type: fields[4],
      code: fields[5],
      protocol: fields[6],
      edge: fields[7],
      source: fields[8],
      subnet: fields[9] === "-" ? null : fields[9],
    });
  });
}

const payloads = readdirSync(directory)
  .sort()
  .map((name) => readFileSync(join(directory, name)));
const times = [];
let events = 0;
for (let round = 0; round < Number(rounds); round += 1) {
  const start = process.cpuUsage();
  events = 0;
  for (const payload of payloads) {
    const lines = handle(payload);
    const body = Buffer.from(lines.join("\n"));
    if (lines.length > 0 && body.length === 0) throw new Error("nothing was written");
    events += lines.length;
  }
  const used = process.cpuUsage(start);
  times.push((used.user + used.system) * 1000);
}
times.sort((left, right) => left - right);
console.log(events, times[Math.floor(times.length / 2)]);
