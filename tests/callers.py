"""Clients as the tests need them: real keys made once, tokens signed by them, a client file, and a JWK set served on loopback."""

import json
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://ehr.example/fhir"
PUBLIC = "https://cds.example/trials"
DISCOVERY = f"{PUBLIC}/cds-services"
SERVICE = f"{DISCOVERY}/cell-therapy-trials"


@cache
def private(kid):
    """The private key of this name: EC P-384, or RSA where the name begins so."""
    if kid.startswith("rsa"):
        return rsa.generate_private_key(65537, 1024 if "short" in kid else 2048)
    return ec.generate_private_key(ec.SECP256R1() if "p256" in kid else ec.SECP384R1())


def jwk(kid, /, **members):
    """The public part, as an EHR publishes it. A member given as ... is left out."""
    key = private(kid).public_key()
    found = (RSAAlgorithm if kid.startswith("rsa") else ECAlgorithm).to_jwk(key, as_dict=True)
    found.pop("key_ops", None)
    return {k: v for k, v in {**found, "kid": kid, **members}.items() if v is not ...}


def claims(now=None, **members):
    """What is fine; a member given as ... is left out. `jti` is another one each time."""
    now = time.time() if now is None else now
    claims.made += 1
    found = {"iss": ISSUER, "aud": SERVICE, "iat": int(now), "exp": int(now) + 300, "jti": f"jti-{claims.made}", **members}
    return {k: v for k, v in found.items() if v is not ...}


claims.made = 0


def token(kid="ec-1", headers=None, key=None, algorithm=None, now=None, **members):
    algorithm = algorithm or ("RS384" if kid.startswith("rsa") else "ES384")
    return jwt.encode(claims(now, **members), key or private(kid), algorithm, {"kid": kid, **(headers or {})})


def bearer(*args, **members):
    return {"Authorization": f"Bearer {token(*args, **members)}"}


def client_file(folder, *clients):
    """A CDS_CLIENTS file; without clients one with the keys ec-1 and rsa-1. (JSON is YAML.)"""
    path = folder / "clients.yaml"
    given = clients or ({"name": "ehr", "iss": ISSUER, "keys": {"keys": [jwk("ec-1"), jwk("rsa-1")]}},)
    path.write_text(json.dumps({"clients": given}, indent=1))
    return path


class KeyServer:
    """What it answers is in `answer`: (status, headers, body). `asked` has each path that was asked for."""

    def __init__(self, base):
        self.base = base
        self.asked = []
        self.publish("ec-1")

    def publish(self, *kids):
        self.answer = (200, {"Content-Type": "application/json"}, json.dumps({"keys": [jwk(k) for k in kids]}).encode())


@contextmanager
def key_server(tls=None):
    """`tls`: the SSLContext of a server; without one it speaks plain HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found.asked.append(self.path)
            status, headers, body = found.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked has heard enough
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        found = KeyServer(f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
