// Loaded before an emulator that listens on every interface and has no setting for it: its servers listen on
// 127.0.0.1 only. The process ends when its standard input does, so it cannot outlive whoever started it.
'use strict';
const net = require('node:net');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...given) {
  // What Node itself accepts: ({port, host, …}, done), (port, host, backlog, done) or a path or handle.
  const callback = typeof given[given.length - 1] === 'function' ? given.pop() : undefined;
  let options = given[0];
  if (typeof options === 'number' || (typeof options === 'string' && /^\d+$/.test(options))) {
    const backlog = given.slice(1).find((value) => typeof value === 'number');
    options = { port: Number(options), backlog };
  }
  if (options === null || typeof options !== 'object' || options.port === undefined) {
    throw new Error('loopback: this server does not listen on a plain port');
  }
  const loopback = { ...options, host: '127.0.0.1' };
  return callback ? listen.call(this, loopback, callback) : listen.call(this, loopback);
};

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();
