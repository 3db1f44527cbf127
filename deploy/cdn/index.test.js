// Run by `node --test deploy/cdn/`. The function is a script without exports, as CloudFront wants it.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const vm = require('node:vm');

const source = fs.readFileSync(path.join(__dirname, 'index.js'), 'utf8');

// The request that CloudFront goes on with. Only what its runtime has is there.
function handled(uri, more) {
  const context = vm.createContext({});
  vm.runInContext(source, context);
  const request = Object.assign({ method: 'GET', uri, querystring: {}, headers: {}, cookies: {} }, more);
  return context.handler({ version: '1.0', context: { eventType: 'viewer-request' }, viewer: {}, request });
}

function maps(pairs) {
  for (const [from, to] of pairs) {
    assert.equal(handled(from).uri, to, from);
  }
}

test('the root is its index document', () => {
  maps([['/', '/index.html']]);
});

test('a directory is its index document, with and without the last slash', () => {
  maps([
    ['/zones', '/zones/index.html'],
    ['/zones/', '/zones/index.html'],
    ['/zones/findings', '/zones/findings/index.html'],
  ]);
});

test('a zone is a directory although it has dots', () => {
  maps([
    ['/zones/example.com', '/zones/example.com/index.html'],
    ['/zones/example.com/', '/zones/example.com/index.html'],
    ['/zones/xn--bcher-kva.example', '/zones/xn--bcher-kva.example/index.html'],
    ['/zones/gz.example', '/zones/gz.example/index.html'],
    ['/js.example', '/js.example/index.html'],
  ]);
});

test('a file is itself', () => {
  const files = ['/index.html', '/404.html', '/style.css', '/page.js', '/zones/example.com/data.json', '/icon.svg'];
  files.push('/favicon.ico', '/robots.txt', '/assets/FONT.WOFF2', '/findings.ndjson.gz');
  maps(files.map((file) => [file, file]));
});

test('only the last part of a path says whether it is a file', () => {
  maps([
    ['/page.js/zones', '/page.js/zones/index.html'],
    ['/page.js/', '/page.js/index.html'],
  ]);
});

test('queries are passed on as they are', () => {
  const querystring = { q: { value: 'a.html' }, path: { value: '/zones' } };
  const request = handled('/zones', { querystring });
  assert.equal(request.uri, '/zones/index.html');
  assert.deepEqual(request.querystring, { q: { value: 'a.html' }, path: { value: '/zones' } });
  assert.equal(handled('/page.js', { querystring }).uri, '/page.js');
});

test('encoded paths stay encoded, and their endings count as they are spelled', () => {
  maps([
    ['/zones/b%C3%BCcher.example', '/zones/b%C3%BCcher.example/index.html'],
    ['/a%20b/', '/a%20b/index.html'],
    ['/page%2Ejs', '/page%2Ejs'],
    ['/page%2ejs%3Fx', '/page%2ejs%3Fx/index.html'],
    // An encoded slash is part of a name, for S3 as for us.
    ['/zones%2F', '/zones%2F/index.html'],
  ]);
});

test('what is not validly encoded is passed on, not failed', () => {
  maps([
    ['/100%', '/100%/index.html'],
    ['/%E0%A4%A/style.css', '/%E0%A4%A/style.css'],
    ['/%zz.js', '/%zz.js'],
  ]);
});

test('the rest of a request is not touched', () => {
  const headers = { host: { value: 'page.example' } };
  const request = handled('/zones/', { method: 'HEAD', headers, cookies: { a: { value: 'b' } } });
  assert.deepEqual(
    { method: request.method, headers: request.headers, cookies: request.cookies },
    { method: 'HEAD', headers, cookies: { a: { value: 'b' } } },
  );
});

test('the function is small enough for CloudFront, and uses nothing that its runtime lacks', () => {
  assert.ok(Buffer.byteLength(source) < 10240);
  for (const word of ['require(', 'import ', 'export ', 'async ', 'fetch(', 'setTimeout']) {
    assert.ok(!source.includes(word), word);
  }
});
