#!/usr/bin/env python3
"""Puts the load on an instrumented Doorward that its optimisation is to learn from.

    train.py BINARY

Two of them run, one in front of the other: clients → plain HTTP/1.1 → front → TLS and HTTP/2 → back →
plain HTTP/1.1 → mock. So both see plain and encrypted, old and new HTTP, from both sides. The load is that of
compare.py, and besides it what goes wrong every day: wrong keys, unknown models, spent limits, broken bodies.
"""
import json, os, pathlib, ssl, subprocess, sys, tempfile, time

import compare

FRONT, BACK = 9221, 9222
SECS = 4


def start(processes, binary, folder, listen, settings=None):
    env = {**os.environ, "DOORWARD__LOG__LEVEL": "warn", **(settings or {})}
    env.pop("RUST_LOG", None)
    folder.mkdir()
    cmd = [binary, "quickstart", "--json", "--data", str(folder / "data"), "--listen", listen]
    process = subprocess.Popen(cmd, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env)
    processes.append(process)
    return json.loads(process.stdout.readline())


def add_model(ask, url, value):
    ask("POST", "providers", {"name": "up", "kind": "openai-compatible", "base_url": url})
    ask("POST", "provider-keys", {"name": "up", "value": value})
    ask("POST", "models", {"name": "gpt-4o-mini", "price": {"input": "0.15", "output": "0.60"},
                           "deployments": [{"provider": "up", "provider_key": "up"}]})


def make_key(ask, name, per_minute):
    return ask("POST", "api-keys", {
        "name": name, "limits": {"requests_per_minute": per_minute, "tokens_per_minute": 4_000_000_000},
        "budgets": [{"usd": "1000000", "period": "month"}]})["key"]


def asks(ready, context=None):
    return lambda method, path, body: compare.ask(
        method, f"{ready['endpoint']}/{path}", ready["admin_key"], body, context)


def drive(load, url, key, limited):
    def run(conns, **flags):
        compare.load(load, url, key, "gpt-4o-mini", SECS, conns, **flags)

    run(64)
    run(1)
    for delay_us in (10_000, 0):
        compare.control(f"chunk-delay-us={delay_us}")
        run(64, stream=1)
    for wrong in ((limited, "gpt-4o-mini"), (key[:-1] + "x", "gpt-4o-mini"), (key, "no-such-model")):
        subprocess.run([load, "--url", url, "--key", wrong[0], "--model", wrong[1], "--conns", "4", "--secs", "1"],
                       check=True, stdout=subprocess.DEVNULL)
    for body in ("", "{", "[1]", '{"model":1}'):
        subprocess.run(["curl", "-sS", "-o", "/dev/null", url, "-H", f"authorization: Bearer {key}", "-d", body], check=True)


def main():
    binary, load = sys.argv[1], compare.build("load")
    mock = subprocess.Popen([compare.build("mock"), "--listen", compare.MOCK, "--workers", "1"])
    processes = [mock]
    with tempfile.TemporaryDirectory(prefix="train-") as folder:
        folder = pathlib.Path(folder)
        try:
            time.sleep(0.5)
            # Every address that is not loopback is served over TLS.
            back_ready = start(processes, binary, folder / "back", f"0.0.0.0:{BACK}")
            certificate = folder / "back" / "data" / "tls.pem"
            ask_back = asks(back_ready, ssl.create_default_context(cafile=certificate))
            add_model(ask_back, f"http://{compare.MOCK}/v1", "sk-provider-key")
            front_ready = start(processes, binary, folder / "front", f"127.0.0.1:{FRONT}",
                                {"DOORWARD__GATEWAY__UPSTREAM_CA": str(certificate)})
            ask_front = asks(front_ready)
            url = f"http://127.0.0.1:{FRONT}/v1/chat/completions"
            # First straight to the mock, then by way of the other one.
            add_model(ask_front, f"http://{compare.MOCK}/v1", "sk-provider-key")
            key, limited = make_key(ask_front, "load", 100_000_000), make_key(ask_front, "limited", 1_000)
            drive(load, url, key, limited)
            through = {"name": "through", "kind": "openai-compatible", "base_url": f"https://127.0.0.1:{BACK}/v1"}
            ask_front("POST", "providers", through)
            ask_front("POST", "provider-keys", {"name": "through", "value": make_key(ask_back, "front", 100_000_000)})
            ask_front("PATCH", "models/gpt-4o-mini", {"deployments": [{"provider": "through", "provider_key": "through"}]})
            drive(load, url, key, limited)
        finally:
            # Not killed: only a program that ends by itself writes down what it has seen.
            for process in reversed(processes):
                process.terminate()
            for process in reversed(processes):
                process.wait(timeout=60)


if __name__ == "__main__":
    main()
