"""The promises of limits, over minutes: what the program's own log tells of callers who ask for more.

    limits.py DOORWARD

One, eight and 64 connections with a key each call the built-in provider without a pause, for two and a half
windows. In no 60 seconds of the log are there more calls of a key than its limit, and what each answer says
to be left is off by no more than the calls that were in flight.
"""
import bisect
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

DOORWARD = str(pathlib.Path(sys.argv[1]).resolve())
LIMIT = 120
WINDOW = 60
SECONDS = 150
CONNECTIONS = (1, 8, 64)
MODEL = "doorward/echo"
BODY = json.dumps({"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]})


def start(folder):
    environment = os.environ | {"DOORWARD__LOG__FORMAT": "json", "DOORWARD__LOG__LEVEL": "info"}
    command = [DOORWARD, "quickstart", "--json", "--data", str(folder / "data"), "--listen", "127.0.0.1:0"]
    log = open(folder / "log", "w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    return process, json.loads(process.stdout.readline())


def connect(ready):
    return http.client.HTTPConnection(ready["endpoint"].split("/")[2], timeout=60)


def post(connection, path, key, body):
    connection.request("POST", path, body, {"authorization": f"Bearer {key}", "content-type": "application/json"})
    answer = connection.getresponse()
    return answer, answer.read()


def make_key(ready, name):
    wish = {"name": name, "scopes": ["inference:write"], "limits": {"requests_per_minute": LIMIT}}
    answer, body = post(connect(ready), "/v1/api-keys", ready["admin_key"], json.dumps(wish))
    assert answer.status == 201, body
    return json.loads(body)["key"]


def call_on_and_on(ready, key, until, left):
    """Notes under the id of each admitted call what it was told to be left."""
    connection = connect(ready)
    while time.monotonic() < until:
        answer, body = post(connection, "/v1/chat/completions", key, BODY)
        assert answer.status in (200, 429), (answer.status, body)
        if answer.status == 200:
            left[answer.headers["x-request-id"]] = int(answer.headers["x-ratelimit-remaining-requests"])
        else:
            # So many threads that ask on at once would only measure Python.
            time.sleep(0.02)


def calls_of(log, key):
    """When each call of a key was admitted, seconds, and its id; the first first."""
    lines = (json.loads(line) for line in log.read_text().splitlines())
    calls = [line for line in lines if line["message"] == "call" and line["key"] == key.rsplit("_", 1)[0]]
    return sorted((ended_at(call) - call["duration_us"] / 1e6, call["call"]) for call in calls)


def ended_at(call):
    return datetime.fromisoformat(call["timestamp"]).timestamp()


def check(connections, calls, left):
    begun = [at for at, _ in calls]
    in_window = [n + 1 - bisect.bisect_left(begun, at - WINDOW) for n, at in enumerate(begun)]
    most = max(in_window)
    off = max(abs(left[call] - (LIMIT - used)) for (_, call), used in zip(calls, in_window))
    said = f"{len(calls)} calls, at most {most} in {WINDOW} s, `remaining` off by at most {off}"
    if most > LIMIT + 1 or off > connections or len(calls) < LIMIT * 2:
        sys.exit(f"FAILED: {connections} connections: {said}")
    print(f"ok: {connections} connections: {said}", flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="doorward-limits-") as folder:
        measure(pathlib.Path(folder))
    print(f"{len(CONNECTIONS)} passed, 0 failed")


def measure(folder):
    process, ready = start(folder)
    try:
        keys = {connections: make_key(ready, f"c{connections}") for connections in CONNECTIONS}
        left = {connections: {} for connections in CONNECTIONS}
        until = time.monotonic() + SECONDS
        with ThreadPoolExecutor(sum(CONNECTIONS)) as callers:
            calling = [callers.submit(call_on_and_on, ready, keys[n], until, left[n])
                       for n in CONNECTIONS for _ in range(n)]
        for caller in calling:
            caller.result()
    finally:
        process.terminate()
        code = process.wait(timeout=60)
    assert code == 0, code
    for connections in CONNECTIONS:
        check(connections, calls_of(folder / "log", keys[connections]), left[connections])


main()
