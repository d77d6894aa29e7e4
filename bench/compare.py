#!/usr/bin/env python3
"""Compare Doorward with nginx (plain reverse proxy), haproxy and a minimal Rust proxy, side by side.

Everything runs on loopback against one mock upstream. All targets are up at once and are measured in
turn, phase by phase and round after round, so that drift of the machine hits all alike. A proxy gets core
1, the mock and the load generator core 0. Every figure is a median over rounds. It is followed by two
ratios to nginx: the median of per-round ratios, and that of the best quarters of both. Whoever shares the
machine only ever adds to a cost, so where the two differ, the second tells of the programs and the first
of the neighbours. Such a machine needs many short rounds.

    compare.py [--rounds 15] [--secs 1] [--json FILE] [--doorward BINARY]
    compare.py --target NAME,URL,KEY,PID[,MODEL]     measure another gateway too
    compare.py mock                                  only run the mock on :9100, to set one up against

A gateway given by --target is started by the caller, has the mock (http://127.0.0.1:9100) as its
upstream, and answers POST URL with KEY as bearer. Needs nginx, haproxy (optional) and wrk from Debian,
and cargo. CPU is user + system time of the target's process tree; it is the figure to trust.
"""
import argparse, json, os, pathlib, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("BENCH_TARGET_DIR", HERE / "target"))
MOCK = "127.0.0.1:9100"
KEY = "sk-perf-0123456789abcdef0123456789abcdef"
RATES = ("rps", "burst_events_per_s")
TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1


def build(name):
    subprocess.run(["cargo", "build", "-q", "--release", "--manifest-path", str(HERE / name / "Cargo.toml"),
                    "--target-dir", str(BUILD / name)], check=True)
    crate = {"mock": "mock-openai"}.get(name, name)
    return str(BUILD / name / "release" / crate)


def on(core, cmd):
    return ["taskset", "-c", str(min(core, CORES - 1)), *cmd]


def spawn(core, cmd, log):
    return subprocess.Popen(on(core, cmd), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def tree(pid):
    """pid, its descendants: their CPU counts too."""
    todo, seen = [pid], set()
    while todo:
        p = todo.pop()
        if p in seen:
            continue
        seen.add(p)
        for task in pathlib.Path(f"/proc/{p}/task").glob("*/children"):
            try:
                todo += [int(c) for c in task.read_text().split()]
            except OSError:
                pass
    return seen


def cpu_seconds(pid):
    ticks = 0
    for p in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / TICK


def rss_mib(pid):
    kib = 0
    for p in tree(pid):
        try:
            for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    kib += int(line.split()[1])
        except OSError:
            pass
    return round(kib / 1024, 1)


def wrk(url, key, model, secs, conns=64):
    with tempfile.NamedTemporaryFile() as out:
        env = {**os.environ, "KEY": key, "MODEL": model, "REPORT": out.name}
        subprocess.run(on(0, ["wrk", "-t1", f"-c{conns}", f"-d{secs}s", "-s", str(HERE / "chat.lua"), url]),
                       env=env, check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(out.name).read_text())


def load(binary, url, key, model, secs, conns, **flags):
    cmd = [binary, "--url", url, "--key", key, "--model", model, "--conns", str(conns), "--secs", str(secs)]
    for k, v in flags.items():
        cmd += [f"--{k}", str(v)]
    return json.loads(subprocess.run(on(0, cmd), check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def control(query):
    subprocess.run(["curl", "-fsS", f"http://{MOCK}/control?{query}"], check=True, stdout=subprocess.DEVNULL)


def nginx_conf(folder, port):
    conf = folder / "nginx.conf"
    temps = "".join(f"  {k}_temp_path {folder}/{k};\n" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf.write_text(f"""daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.err warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 300s;
{temps}  upstream mock {{ server {MOCK}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
""")
    return conf


def haproxy_conf(folder, port):
    conf = folder / "haproxy.cfg"
    conf.write_text(f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server mock {MOCK} pool-max-conn 256
""")
    return conf


def ask(method, url, key, body=None, context=None):
    """One call of the management API; `context` is that of TLS."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return json.load(answer)


def start_doorward(binary, folder, port, log):
    """Doorward as it is used: a priced model, and a key with a limit and a budget; usage is journalled.

    Its log is at `warn`, as nginx's access log is off.
    """
    env = {**os.environ, "DOORWARD__LOG__LEVEL": "warn"}
    env.pop("RUST_LOG", None)
    cmd = [binary, "quickstart", "--json", "--data", str(folder / "doorward"), "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(on(1, cmd), stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=env)
    ready = json.loads(process.stdout.readline())
    base, admin = f"http://127.0.0.1:{port}/v1", ready["admin_key"]
    ask("POST", f"{base}/providers", admin, {"name": "mock", "kind": "openai-compatible", "base_url": f"http://{MOCK}/v1"})
    ask("POST", f"{base}/provider-keys", admin, {"name": "mock", "value": "sk-provider-key"})
    ask("POST", f"{base}/models", admin, {
        "name": "gpt-4o-mini", "price": {"input": "0.15", "output": "0.60"},
        "deployments": [{"provider": "mock", "provider_key": "mock"}]})
    key = ask("POST", f"{base}/api-keys", admin, {
        "name": "bench", "limits": {"requests_per_minute": 100_000_000, "tokens_per_minute": 4_000_000_000},
        "budgets": [{"usd": "1000000", "period": "month"}]})["key"]
    return process, key


class Phases:
    """What is measured in one round. Each phase takes one target and gives some of its figures."""

    def __init__(self, load_bin, secs):
        self.load_bin, self.secs = load_bin, secs

    def all(self):
        return [self.saturation, self.one_connection, self.paced_streams, self.burst_streams, self.memory]

    def saturation(self, t):
        name, url, key, pid, model = t
        before = cpu_seconds(pid)
        r = wrk(url, key, model, self.secs)
        if r["non2xx"] or r["sock_err"]:
            sys.exit(f"{name}: {r['non2xx']} answers were not 2xx, {r['sock_err']} socket errors: not comparable")
        cpu = (cpu_seconds(pid) - before) / r["requests"] * 1e6
        return {"rps": r["rps"], "cpu_us_per_request": cpu, "c64_p99_us": r["p99_us"]}

    def one_connection(self, t):
        _, url, key, _, model = t
        return {"c1_p50_us": load(self.load_bin, url, key, model, 1, 1)["total_us"]["p50"]}

    def paced_streams(self, t):
        cpu, r = self._streams(t, 10_000)
        return {"paced_cpu_us_per_event": cpu, "paced_first_event_p50_us": r["first_us"]["p50"]}

    def burst_streams(self, t):
        cpu, r = self._streams(t, 0)
        return {"burst_cpu_us_per_event": cpu, "burst_events_per_s": r["events"] / self.secs}

    def _streams(self, t, delay_us):
        _, url, key, pid, model = t
        control(f"chunk-delay-us={delay_us}")
        before = cpu_seconds(pid)
        r = load(self.load_bin, url, key, model, self.secs, 64, stream=1)
        return (cpu_seconds(pid) - before) / max(r["events"], 1) * 1e6, r

    def memory(self, t):
        return {"rss_mib": rss_mib(t[3])}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("what", nargs="?", choices=["mock"])
    a.add_argument("--target", action="append", default=[], help="NAME,URL,KEY,PID[,MODEL]")
    a.add_argument("--rounds", type=int, default=15)
    a.add_argument("--secs", type=int, default=1)
    a.add_argument("--json")
    a.add_argument("--doorward", help="the program to measure")
    a = a.parse_args()
    mock_bin = build("mock")
    if a.what == "mock":
        os.execv(mock_bin, [mock_bin, "--listen", MOCK, "--workers", "1"])
    floor_bin, load_bin = build("floor"), build("load")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    log = open(folder / "log", "w")
    procs, targets = [], []

    def add(name, port, cmd):
        p = spawn(1, cmd, log)
        procs.append(p)
        targets.append((name, f"http://127.0.0.1:{port}/v1/chat/completions", KEY, p.pid, "gpt-4o-mini"))

    try:
        running = subprocess.run(["ss", "-Hltn", "sport", "=", ":9100"], capture_output=True, text=True).stdout.split("\n")
        if len([line for line in running if line]) > 1:
            sys.exit("several mocks share :9100; end all but one")
        if not any(running):
            procs.append(spawn(0, [mock_bin, "--listen", MOCK, "--workers", "1"], log))
        add("nginx", 9201, ["nginx", "-c", str(nginx_conf(folder, 9201))])
        if shutil.which("haproxy"):
            add("haproxy", 9203, ["haproxy", "-db", "-f", str(haproxy_conf(folder, 9203))])
        add("floor", 9210, [floor_bin, "--listen", "127.0.0.1:9210", "--upstream", MOCK, "--rt", "local",
                            "--client", "conn", "--body", "peek", "--metrics", "1"])
        if a.doorward:
            process, key = start_doorward(a.doorward, folder, 9220, log)
            procs.append(process)
            targets.append(("doorward", "http://127.0.0.1:9220/v1/chat/completions", key, process.pid, "gpt-4o-mini"))
            time.sleep(1)
            print(f"doorward at rest: {rss_mib(process.pid)} MiB")
        for t in a.target:
            name, url, key, pid, *model = t.split(",")
            targets.append((name, url, key, int(pid), model[0] if model else "gpt-4o-mini"))
            subprocess.run(["taskset", "-acp", str(min(1, CORES - 1)), pid], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1.5)
        for t in targets:
            wrk(t[1], t[2], t[4], 1)
        rows = {t[0]: [] for t in targets}
        for _ in range(a.rounds):
            for name in rows:
                rows[name].append({})
            for phase in Phases(load_bin, a.secs).all():
                for t in targets:
                    rows[t[0]][-1].update(phase(t))
    finally:
        for p in procs:
            p.terminate()
            p.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)

    report(rows, a.json)


def best_quarter(figure, values):
    """The middle of the best quarter: of rates the highest, of costs the lowest."""
    if len(values) < 2:
        return values[0]
    quantiles = statistics.quantiles(values, n=8, method="inclusive")
    return quantiles[-1] if figure in RATES else quantiles[0]


def report(rows, path):
    figures, nginx = list(rows["nginx"][0]), rows["nginx"]
    result = {name: {} for name in rows}
    for name, rounds in rows.items():
        for k in figures:
            values, base = [r[k] for r in rounds], [r[k] for r in nginx]
            result[name][k] = {
                "median": statistics.median(values),
                "ratio_to_nginx": statistics.median(v / b for v, b in zip(values, base) if b),
                "ratio_of_best": best_quarter(k, values) / best_quarter(k, base),
            }
    print(f"{'':26}" + "".join(f"{name:>27}" for name in rows))
    for k in figures:
        cells = (result[name][k] for name in rows)
        print(f"{k:26}" + "".join("{median:>12.1f} {ratio_to_nginx:>6.2f}x {ratio_of_best:>5.2f}x".format(**c) for c in cells))
    if path:
        pathlib.Path(path).write_text(json.dumps({"result": result, "rounds": rows}, indent=1))


if __name__ == "__main__":
    main()
