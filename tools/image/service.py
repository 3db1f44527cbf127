"""What a container meets in the image's checks, on one loopback address: a name server, AWS behind TLS, and Pod Identity's
agent, each on its own port.

    service.py FOLDER ADDRESS

The name server knows every name below us-east-1.amazonaws.com, and no other; each is ADDRESS. There an HTTPS server shows a
certificate of an authority made for this run, whose own is in FOLDER/authority.pem. It exchanges web identity tokens for
credentials and answers anything else with "not there". The agent hands out credentials for a token.

Says "ready" when all of them listen, writes what it was asked to FOLDER/events.ndjson, and ends when its standard input does.
"""

import datetime
import http.server
import json
import pathlib
import socket
import socketserver
import ssl
import struct
import sys
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DOMAIN = "us-east-1.amazonaws.com"
A_RECORD, INTERNET, NAME_ERROR = 1, 1, 3
LIFE = datetime.timedelta(days=1)
EXPIRES = "2099-01-01T00:00:00Z"
ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>WEBIDENTITY</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>session</SessionToken><Expiration>{expires}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


class Events:
    """What was asked, a line each."""

    def __init__(self, folder):
        self.file = open(pathlib.Path(folder) / "events.ndjson", "w", encoding="utf-8")
        self.lock = threading.Lock()

    def tell(self, **event):
        with self.lock:
            self.file.write(json.dumps(event) + "\n")
            self.file.flush()


def certificate(subject, key, issuer, signer, *extensions):
    """A certificate that lasts for a day."""
    now = datetime.datetime.now(datetime.timezone.utc)
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    builder = (
        x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    )
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(now - LIFE).not_valid_after(now + LIFE)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


def identity(folder):
    """A TLS context for all names of the domain, under a new authority."""
    folder = pathlib.Path(folder)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = "Zonewatch test authority"
    root = certificate(authority, root_key, authority, root_key, (x509.BasicConstraints(True, None), True))
    names = x509.SubjectAlternativeName([x509.DNSName(f"*.{DOMAIN}")])
    leaf = certificate(
        f"*.{DOMAIN}", key, authority, root_key, (names, False), (x509.BasicConstraints(False, None), True)
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(root.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.key").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    return context


def name_server(address, events):
    """Answers A for names of the domain, nothing for their other types, and that there is no other name."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            data, replies = self.request
            labels, at = [], 12
            while data[at]:
                labels.append(data[at + 1 : at + 1 + data[at]].decode())
                at += data[at] + 1
            kind = struct.unpack("!H", data[at + 1 : at + 3])[0]
            name = ".".join(labels).lower()
            events.tell(dns=name, type=kind)
            found = name.endswith(f".{DOMAIN}")
            answers = b"\xc0\x0c" + struct.pack("!HHIH", A_RECORD, INTERNET, 60, 4) + socket.inet_aton(address)
            answered = found and kind == A_RECORD
            flags = 0x8180 | (0 if found else NAME_ERROR)
            head = data[:2] + struct.pack("!HHHHH", flags, 1, int(answered), 0, 0)
            replies.sendto(head + data[12 : at + 5] + (answers if answered else b""), self.client_address)

    return socketserver.ThreadingUDPServer((address, 53), Answer)


class Handler(http.server.BaseHTTPRequestHandler):
    """Shared by AWS and the agent: no log of its own, one answer a request."""

    protocol_version = "HTTP/1.1"
    events = None

    def log_message(self, *_):
        pass

    def reply(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Aws(Handler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode("utf-8", "replace")
        form = urllib.parse.parse_qs(body)
        signed = self.headers.get("authorization", "")
        key = signed.partition("Credential=")[2].partition("/")[0]
        if form.get("Action") == ["AssumeRoleWithWebIdentity"]:
            self.events.tell(assumed=form["RoleArn"][0], token=form["WebIdentityToken"][0])
            self.reply(200, "text/xml", ASSUMED.format(expires=EXPIRES))
        else:
            self.events.tell(request=self.headers.get("x-amz-target", self.path), key=key)
            answer = {"__type": "ResourceNotFoundException", "message": "nothing is here"}
            self.reply(400, "application/x-amz-json-1.1", json.dumps(answer))

    do_PUT = do_POST
    do_GET = do_POST


class Agent(Handler):
    def do_GET(self):
        token = self.headers.get("authorization", "")
        self.events.tell(agent=self.path, token=token)
        credentials = {
            "AccessKeyId": "PODIDENTITY",
            "SecretAccessKey": "secret",
            "Token": "session",
            "Expiration": EXPIRES,
        }
        self.reply(200, "application/json", json.dumps(credentials))


class Tls(http.server.ThreadingHTTPServer):
    """Handshakes in the connection's own thread, and tells how each one ended."""

    daemon_threads = True
    context = None
    events = None

    def finish_request(self, request, client_address):
        try:
            request = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.events.tell(handshake=str(error))
            return
        self.events.tell(handshake="done", version=request.version())
        super().finish_request(request, client_address)


def main(folder, address):
    Handler.events = Tls.events = events = Events(folder)
    Tls.context = identity(folder)
    aws = Tls((address, 443), Aws)
    agent = http.server.ThreadingHTTPServer((address, 80), Agent)
    names = name_server(address, events)
    for server in (aws, agent, names):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
