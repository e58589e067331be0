#!/usr/bin/env python3
"""Load generators side by side: the same load on the same server, in turn, and medians of several rounds.

    cargo build --release && python3 tests/bench/load.py [ROUNDS]

Starts a redis-server of its own on a free port of the loopback, on the first processor; generators run on the second.
redis-benchmark is needed, memtier_benchmark and valkey-benchmark are taken along where they are installed. Client time is
user and system time of the whole process for each operation, without what one request alone takes; on a busy machine it is
what to judge by. The entries of cachectl have a ttl, which a SET costs the server: those of the others are given one too. How busy
the server was says who was the limit: from 0.97 on nobody sends it more.
"""

import csv
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHECTL = os.environ.get("CACHECTL", os.path.join(ROOT, "target/release/cachectl"))
KEYS = 10_000
TTL_S = 86_400

# Clients, pipeline, bytes of a value, operation, requests.
CELLS = [
    (1, 1, 64, "get", 20_000),
    (50, 1, 64, "get", 100_000),
    (50, 1, 64, "set", 100_000),
    (200, 1, 1024, "get", 100_000),
    (50, 16, 64, "get", 600_000),
    (50, 64, 64, "get", 1_500_000),
    (200, 64, 1024, "get", 600_000),
    (50, 1, 65536, "get", 30_000),
]


def pinned(core, command):
    return ["taskset", "-c", str(core), *command] if os.cpu_count() > 1 and shutil.which("taskset") else command


def run(command):
    """What `command` prints, and its processor time in seconds."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(pinned(1, command), stdout=out, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{' '.join(command)}: {errors.decode()}")
        out.seek(0)
        return out.read().decode(), usage.ru_utime + usage.ru_stime


def cachectl(port, clients, pipeline, size, operation, requests):
    words = ["-q", "-b", f"redis://127.0.0.1:{port}/0", "bench", "-o", "json", "--yes", "--mix", operation]
    words += ["--no-preload"] if operation == "set" else []
    words += ["--clients", clients, "--pipeline", pipeline, "--value-size", size, "--requests", requests]
    text, cpu = run([CACHECTL, *map(str, words), "--key-count", str(KEYS if size < 65536 else 1000)])
    told = json.loads(text)
    return told["throughput"], told["latency_us"]["p99"] / 1000, cpu


def like_redis(program):
    def call(port, clients, pipeline, size, operation, requests):
        words = ["-h", "127.0.0.1", "-p", port, "-c", clients, "-P", pipeline, "-n", requests]
        words += ["-r", KEYS if size < 65536 else 1000, "--csv", "--precision", 3]
        words += ["GET", "key:__rand_int__"] if operation == "get" else ["SET", "key:__rand_int__", "x" * size, "PX", TTL_S * 1000]
        text, cpu = run([program, *map(str, words)])
        row = list(csv.DictReader(text.splitlines()))[-1]
        return float(row["rps"]), float(row["p99_latency_ms"]), cpu

    return call


def memtier(port, clients, pipeline, size, operation, requests):
    ratio = "1:0" if operation == "set" else "0:1"
    words = ["-s", "127.0.0.1", "-p", port, "-t", 1, "-c", clients, "-n", max(requests // clients, 1), "--ratio", ratio]
    words += ["-d", size, "--pipeline", pipeline, "--key-pattern", "R:R", "--key-maximum", KEYS if size < 65536 else 1000, "--hide-histogram"]
    words += ["--expiry-range", f"{TTL_S}-{TTL_S + 1}"] if operation == "set" else []
    with tempfile.NamedTemporaryFile() as file:
        _, cpu = run(["memtier_benchmark", *map(str, words), "--json-out-file", file.name])
        told = json.load(file)["ALL STATS"]["Totals"]
    return told["Ops/sec"], told["Percentile Latencies"]["p99.00"], cpu


def processor_time(server):
    """What the server has had of it, in seconds."""
    with open(f"/proc/{server.pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def fill(port, size):
    """Writes what the others read: a read that finds nothing is no load, and one without a ttl is less of one."""
    value = b"x" * size
    with socket.create_connection(("127.0.0.1", port)) as server, server.makefile("rb") as replies:
        server.sendall(b"FLUSHALL\r\n")
        replies.readline()
        for number in range(KEYS if size < 65536 else 1000):
            for name in (b"key:%012d" % number, b"memtier-%d" % number):
                words = (b"SET", name, value, b"EX", b"%d" % TTL_S)
                server.sendall(b"*5\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
            if replies.readline() + replies.readline() != b"+OK\r\n+OK\r\n":
                sys.exit("cannot write the keys")


def tools():
    found = {"cachectl": cachectl, "redis-benchmark": like_redis("redis-benchmark")}
    if shutil.which("valkey-benchmark"):
        found["valkey-benchmark"] = like_redis("valkey-benchmark")
    if shutil.which("memtier_benchmark"):
        found["memtier_benchmark"] = memtier
    return found


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(pinned(0, command), stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        print("clients pipeline bytes op   tool               kops/s  ns/op  p99 ms  server   ops/s and ns/op to redis-benchmark's")
        for cell in CELLS:
            fill(port, cell[2])
            seen = {name: [] for name in tools()}
            for _ in range(rounds):
                for name, call in tools().items():
                    # What one request costs, with all that is done around it, here and there.
                    start = processor_time(server)
                    around = call(port, *cell[:4], 1 if name == "cachectl" else cell[0])[2]
                    before = processor_time(server)
                    rate, p99, cpu = call(port, *cell)
                    busy = (processor_time(server) - before - (before - start)) / cell[4] * rate
                    seen[name].append((rate, max(cpu - around, 0.0) / cell[4] * 1e9, p99, busy))
            base = seen["redis-benchmark"]
            for name, rows in seen.items():
                rate, cpu, p99, busy = (statistics.median(row[at] for row in rows) for at in range(4))
                ratios = [statistics.median(mine[at] / max(its[at], 1e-9) for mine, its in zip(rows, base)) for at in range(2)]
                shape = f"{cell[0]:>7} {cell[1]:>8} {cell[2]:>5} {cell[3]:<4}"
                print(f"{shape} {name:<17} {rate / 1000:>7.1f} {cpu:>6.0f} {p99:>7.3f}  {busy:>6.2f}   {ratios[0]:.2f} {ratios[1]:.2f}", flush=True)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
