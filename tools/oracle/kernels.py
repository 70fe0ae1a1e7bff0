"""Times torch on the shapes of bench/kernels_bench.cpp.

Use as many threads as for the bench:

    python tools/oracle/kernels.py --threads 2 [--dtype f32|bf16]

Measures processor time with one thread, else wall-clock time; prints the best of the runs.
"""

import argparse
import time

import torch
import torch.nn.functional as F


def best_of(run, threads, seconds=0.5):
    clock = time.process_time if threads == 1 else time.perf_counter
    run()
    best = float("inf")
    end = time.perf_counter() + seconds
    count = 0
    while count < 3 or time.perf_counter() < end:
        begin = clock()
        run()
        best = min(best, clock() - begin)
        count += 1
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    dtype = torch.float32 if arguments.dtype == "f32" else torch.bfloat16

    def show(name, operations, run):
        seconds = best_of(run, arguments.threads)
        print(f"{name:40} {seconds * 1e3:9.3f} ms {operations / seconds / 1e9:8.1f} GFLOP/s", flush=True)

    for n, size, c, o in [(2, 64, 320, 320), (2, 32, 1280, 1280), (1, 128, 256, 256)]:
        x = torch.randn(n, c, size, size, dtype=dtype).to(memory_format=torch.channels_last)
        conv = torch.nn.Conv2d(c, o, 3, padding=1, dtype=dtype).to(memory_format=torch.channels_last)
        show(f"conv3x3/{n}x{size}x{size}x{c}->{o}", 18 * n * size * size * c * o, lambda: conv(x))
    for rows, k, o in [(2048, 1280, 1280), (2048, 1280, 10240), (2048, 5120, 1280), (2, 1280, 1280)]:
        x = torch.randn(rows, k, dtype=dtype)
        linear = torch.nn.Linear(k, o, dtype=dtype)
        show(f"linear/{rows}x{k}->{o}", 2 * rows * k * o, lambda: linear(x))
    for n, heads, queries, keys, d in [
        (2, 10, 1024, 1024, 64),
        (2, 20, 256, 256, 64),
        (2, 20, 1024, 77, 64),
        (1, 1, 4096, 4096, 512),
    ]:
        q = torch.randn(n, queries, heads, d, dtype=dtype).transpose(1, 2)
        k = torch.randn(n, keys, heads, d, dtype=dtype).transpose(1, 2)
        v = torch.randn(n, keys, heads, d, dtype=dtype).transpose(1, 2)
        show(
            f"attention/{n}x{heads}x{queries}x{keys}x{d}",
            4 * n * heads * queries * keys * d,
            lambda: F.scaled_dot_product_attention(q, k, v),
        )


if __name__ == "__main__":
    main()
