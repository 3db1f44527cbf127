// A CloudFront function (runtime cloudfront-js-2.0) on viewer requests: paths of directories become those of their
// index documents, which S3 does not do behind CloudFront: `/` to `/index.html`, `/zones` and `/zones/` to
// `/zones/index.html`.
//
// A zone's page is a directory named like the zone, so a dot makes no file: only endings that the page's own files
// have do, none of which is a top-level domain. Query strings are no part of `uri`.

const FILE = /\.(css|gz|html|ico|js|json|ndjson|png|svg|txt|webmanifest|woff2|xml)$/i;

function handler(event) {
  const request = event.request;
  const uri = request.uri;
  if (uri.endsWith('/')) {
    request.uri = uri + 'index.html';
  } else if (!FILE.test(decoded(uri.slice(uri.lastIndexOf('/') + 1)))) {
    request.uri = uri + '/index.html';
  }
  return request;
}

// The last part of a path as its name is spelled; what is not validly encoded stays as it is.
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch (error) {
    return name;
  }
}
