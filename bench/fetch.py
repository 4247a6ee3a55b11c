"""`make bench-fetch`: six searches at a FHIR server that takes 30 ms an answer, side by side, against one such search alone.

Prints the median over the rounds of both and their ratio: what six lists cost, in latencies of the server.
The server is a process of its own; one alone and six together are measured in turn, in one run.
"""

from __future__ import annotations

import argparse
import http.server
import json
import subprocess
import sys
import time
from statistics import median

from cds_service.fetch import FhirServer, gather
from cds_service.model.hooks import Access, HookRequest

LISTS = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}&_count=200",
    "results-kidney": "Observation?patient={{context.patientId}}&code=1&_count=500",
    "results-blood": "Observation?patient={{context.patientId}}&code=2&_count=500",
    "medication-requests": "MedicationRequest?patient={{context.patientId}}&_count=200",
    "procedures": "Procedure?patient={{context.patientId}}&_count=200",
    "allergies": "AllergyIntolerance?patient={{context.patientId}}&_count=200",
}
PATIENT = {"resourceType": "Patient", "id": "p1"}
ENTRIES = 20


def serve(latency: float) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            kind = self.path.removeprefix("/fhir/").partition("?")[0]
            entry = {"resourceType": kind, "subject": {"reference": "Patient/p1"}, "patient": {"reference": "Patient/p1"}}
            entries = [{"resource": entry | {"id": f"{abs(hash(self.path))}-{number}"}} for number in range(ENTRIES)]
            body = json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()
            time.sleep(latency)
            self.send_response(200)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def timed(server: FhirServer, base: str, lists: dict[str, str]) -> float:
    sent = {"patient": PATIENT} | ({} if "conditions" in lists else {"conditions": None})
    templates = LISTS if len(lists) == 6 else {"patient": LISTS["patient"]} | lists
    request = HookRequest("patient-view", "bench", "p1", prefetch=sent, access=Access(base))
    start = time.perf_counter()
    record = gather(request, templates, server)
    took = time.perf_counter() - start
    if record.incomplete or len(record.resources) != 1 + ENTRIES * len(lists):
        sys.exit(f"not everything was read: {record.faults}")
    return took


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--latency", type=float, default=0.03, help="seconds that the server takes to answer")
    options.add_argument("--serve", action="store_true", help="be the server")
    chosen = options.parse_args()
    if chosen.serve:
        serve(chosen.latency)
    command = [sys.executable, __file__, "--serve", "--latency", str(chosen.latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- this file
    server = FhirServer(["127.0.0.1"], budget=10, most_bytes=1 << 24)
    try:
        assert process.stdout is not None
        base = f"http://127.0.0.1:{int(process.stdout.readline())}/fhir"
        six = {key: template for key, template in LISTS.items() if key != "patient"}
        one = {"procedures": LISTS["procedures"]}
        found: list[tuple[float, float]] = []
        for _ in range(chosen.rounds + 5):
            found.append((timed(server, base, one), timed(server, base, six)))
        alone, together = (median(column) for column in zip(*found[5:], strict=True))
        print(
            f"one search {alone * 1e3:.1f} ms, six side by side {together * 1e3:.1f} ms: {together / alone:.2f} × one search, "
            f"{together / chosen.latency:.2f} × the latency of {chosen.latency * 1e3:.0f} ms"
        )
    finally:
        server.close()
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
