"""What the scripts beside this one share: a server with keys in it, and two programs that take turns on it."""

import os
import pickle
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHECTL = os.environ.get("CACHECTL", os.path.join(HERE, "../../target/release/cachectl"))


def free_port():
    """One above which, by 10,000, a node of a cluster has its other port."""
    while True:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            if (port := free.getsockname()[1]) < 55_000:
                return port


class Server:
    """A Redis behind a free port, with keys in it."""

    def __init__(self, fill, *more):
        self.port = free_port()
        self.directory = tempfile.TemporaryDirectory()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += ["--enable-debug-command", "yes", "--dir", self.directory.name, *more]
        self.process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        import redis

        self.client = redis.Redis(port=self.port)
        for _ in range(200):
            try:
                self.client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        fill(self.client)

    def busy_ns(self):
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
        return total

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


class Cluster:
    """Nodes that share the slots, without replicas."""

    def __init__(self, count):
        self.nodes = [Server(lambda client: None, "--cluster-enabled", "yes") for _ in range(count)]
        places = [f"127.0.0.1:{node.port}" for node in self.nodes]
        create = ["redis-cli", "--cluster", "create", *places, "--cluster-yes"]
        subprocess.run(create, stdout=subprocess.DEVNULL, check=True)
        while any(node.client.execute_command("CLUSTER INFO")["cluster_state"] != "ok" for node in self.nodes):
            time.sleep(0.1)
        self.url = f"redis+cluster://{places[0]}"

    def busy_ns(self):
        return sum(node.busy_ns() for node in self.nodes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.__exit__()


def populated(count):
    """Keys of DEBUG POPULATE, strings of 64 bytes."""
    return lambda client: client.execute_command("DEBUG", "POPULATE", count, "key", 64)


def mixed(count):
    """Strings of many sizes, a tenth hashes, lists, sets and sorted sets, half of all with a ttl."""

    def fill(client):
        random.seed(1)
        for start in range(0, count, 10_000):
            pipe = client.pipeline(transaction=False)
            for at in range(start, min(start + 10_000, count)):
                key = f"{random.choice(['app:user', 'app:page', 'job', 'lock'])}:{at}"
                match at % 40:
                    case 0:
                        pipe.hset(key, mapping={"a": 1, "b": "x" * 40})
                    case 1:
                        pipe.rpush(key, "a", "b", "c")
                    case 2:
                        pipe.sadd(key, "a", "b")
                    case 3:
                        pipe.zadd(key, {"a": 1, "b": 2})
                    case _:
                        pipe.set(key, "x" * int(random.lognormvariate(4, 1)))
                if at % 2:
                    pipe.expire(key, random.randrange(1000, 100_000))
            pipe.execute()

    return fill


def exploded(count):
    """Every key with a prefix of its own."""
    return lambda client: client.eval(
        "for i = 1, ARGV[1] do redis.call('SET', i .. ':' .. (i * 7 % 1000) .. ':x', i) end", 0, count
    )


def pickles(count):
    """What cachetory writes: zstd over a pickled dict."""

    def fill(client):
        import zstd

        for start in range(0, count, 10_000):
            pipe = client.pipeline(transaction=False)
            for at in range(start, min(start + 10_000, count)):
                value = {"id": at, "name": f"user {at}", "mail": f"user{at}@example.org", "tags": ["a", "b", "c"] * 8}
                value["address"] = {"street": f"{at} Main Street", "city": "Springfield", "zip": at % 99999}
                pipe.set(f"user:{at}", zstd.compress(pickle.dumps(value)))
            pipe.execute()

    return fill


def run(command, server, stdin=None):
    """Seconds, the server's busy share, and KiB resident."""
    before = server.busy_ns()
    start = time.monotonic()
    with open(stdin or os.devnull, "rb") as given:
        done = subprocess.run(
            ["/usr/bin/time", "-f", "%M", *command],
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    took = time.monotonic() - start
    busy = (server.busy_ns() - before) / 1e9 / took
    last = done.stderr.decode().strip().splitlines()[-1]
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return took, busy, int(last)


def versus(title, goal, server, rounds, peer, ours, before=lambda: None, stdin=None):
    """Interleaved runs of a peer's command and ours, and the ratio of their medians."""
    results = {"peer": [], "ours": []}
    for _ in range(rounds):
        before()
        results["peer"].append(run(peer, server, stdin))
        before()
        results["ours"].append(run(ours, server))
    median = {who: [statistics.median(column) for column in zip(*rows)] for who, rows in results.items()}
    ratio = median["peer"][0] / median["ours"][0]
    print(
        f"{title:44} {median['peer'][0]:7.2f} s {median['ours'][0]:7.2f} s {ratio:6.2f}  goal {goal:<5}"
        f" busy {median['ours'][1]:.2f}  {median['ours'][2] / 1024:.1f} MiB",
        flush=True,
    )
