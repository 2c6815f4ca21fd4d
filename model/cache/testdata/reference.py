"""Makes reference.json: hits of libCacheSim's policies on synthetic traces.

    python3 -m venv v && v/bin/pip install libcachesim==0.3.5 && v/bin/python reference.py

The traces come from a linear congruential generator that reference_test.go
repeats: Zipf-like keys whose favourites shift, with scans between. libCacheSim is
only run, for its numbers.
"""
import json
from importlib.metadata import version

import libcachesim as lcs


class LCG:
    def __init__(self, seed):
        self.x = seed

    def below(self, n):
        self.x = (self.x * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.x >> 33) % n


def trace(seed, n, keys):
    r, out = LCG(seed), []
    while len(out) < n:
        if r.below(100) == 0:  # a scan
            at = r.below(keys)
            out += [(at + j) % keys for j in range(r.below(60))]
            continue
        shift = len(out) // (n // 4) * 37
        # The least of three draws: favours small numbers.
        out.append((min(r.below(keys), r.below(keys), r.below(keys)) + shift) % keys)
    return out[:n]


def size(key):
    return 100 + key * 7919 % 1000


POLICIES = {"lru": lcs.LRU, "fifo": lcs.FIFO, "lfu": lcs.LFU, "sieve": lcs.Sieve, "s3fifo": lcs.S3FIFO, "arc": lcs.ARC, "belady": lcs.Belady, "lecar": lcs.LeCaR, "wtinylfu": lcs.WTinyLFU}


def run(keys, policy, capacity, sized):
    last, nxt = {}, [0] * len(keys)
    for i in range(len(keys) - 1, -1, -1):
        nxt[i] = last.get(keys[i], 2**62)
        last[keys[i]] = i
    c = POLICIES[policy](capacity)
    hits = 0
    for i, k in enumerate(keys):
        q = lcs.Request()
        q.obj_id, q.obj_size, q.clock_time, q.next_access_vtime = k + 1, size(k) if sized else 1, i, nxt[i]
        hits += bool(c.get(q))
    return hits


def main():
    cases = []
    for seed, n, keys in [(1, 20000, 500), (2, 20000, 3000), (3, 5000, 200)]:
        t = trace(seed, n, keys)
        for sized in [False, True]:
            for capacity in [10, 100, 150] if not sized else [5000, 60000]:
                hits = {p: run(t, p, capacity, sized) for p in POLICIES}
                cases.append({"seed": seed, "n": n, "keys": keys, "sized": sized, "capacity": capacity, "hits": hits})
    with open("reference.json", "w") as f:
        json.dump({"made_by": "libcachesim " + version("libcachesim"), "cases": cases}, f, indent=1)
        f.write("\n")


main()
