"""One canonical training step, minigan beside PyTorch, in one run.

    python benchmarks/step_time.py [--batch 32 128 512] [--rounds 30]

The step: G 100-256-512-1024-784 (LeakyReLU, batchnorm, tanh), D 784-512-256-1 (LeakyReLU); one G pass, one D pass
over real and fakes together and D's Adam update, one D pass over the same fakes and G's Adam update. Opponents:

    minigan        GAN.step with reuse_fakes=True, all its metrics and checks included
    torch eager    PyTorch as most people write it: Adam's defaults, D's gradients computed in G's step as well
    torch best     the same with D frozen in G's step, Adam(fused=True) and no metrics at all

All begin with the same weights, images and latents, and must agree on both losses of the first three steps before
anything is timed. Each opponent is a process of its own, so that thread pools do not meet; they take turns, a few
steps each, and wait asleep for theirs. Printed: medians with quartiles, ratio of the medians, threads and versions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

LATENT, PIXELS = 100, 784
G_SIZES, D_SIZES = (LATENT, 256, 512, 1024, PIXELS), (PIXELS, 512, 256, 1)
CHECKED_STEPS = 3
Step = Callable[[], tuple[float, float] | None]


def minigan_steps(start: str, batch: int) -> tuple[Step, Step, str]:
    """The step that is checked (prescribed latents are minigan's own), the step that is timed, and versions."""
    import minigan
    from minigan.recipes import gan as recipe

    data = np.load(start)
    gan = recipe.build((PIXELS,), lr=2e-4, reuse_fakes=True)
    for net in ("G", "D"):
        getattr(gan, net).load_state_dict({k[2:]: data[k] for k in data.files if k.startswith(f"{net}.")})
    real = data["real"]

    def step() -> tuple[float, float]:
        metrics = gan.step(real)
        return metrics["d_loss"], metrics["g_loss"]

    return step, step, f"minigan {minigan.__version__}, numpy {np.__version__}, {blas()}"


def torch_steps(start: str, batch: int, best: bool) -> tuple[Step, Step, str]:
    import torch
    from torch import nn

    def network(sizes: tuple[int, ...], batchnorm: bool) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            layers.append(nn.Linear(n_in, n_out))
            if i < len(sizes) - 2:
                layers.append(nn.LeakyReLU(0.2))
                if batchnorm:
                    layers.append(nn.BatchNorm1d(n_out, momentum=0.2, eps=1e-3))
        return nn.Sequential(*layers, *([nn.Tanh()] if batchnorm else []))

    data = np.load(start)
    G, D = network(G_SIZES, True), network(D_SIZES, False)
    for name, net in (("G.", G), ("D.", D)):
        net.load_state_dict({k[2:]: torch.from_numpy(data[k]) for k in data.files if k.startswith(name)})
    real = torch.from_numpy(data["real"])
    given = iter(torch.from_numpy(data["latents"]))
    target = torch.cat([torch.ones(batch, 1), torch.zeros(batch, 1)])
    ones = torch.ones(batch, 1)
    adam = {"lr": 2e-4, "betas": (0.5, 0.999)} | ({"fused": True} if best else {})
    opt_G, opt_D = torch.optim.Adam(G.parameters(), **adam), torch.optim.Adam(D.parameters(), **adam)
    loss = nn.BCEWithLogitsLoss()

    def play(z: torch.Tensor, report: bool) -> tuple[float, float] | None:
        fake = G(z)
        opt_D.zero_grad()
        d_loss = 2 * loss(D(torch.cat([real, fake.detach()])), target)  # 2 ×: minigan adds the two halves' means
        d_loss.backward()
        opt_D.step()
        if best:
            D.requires_grad_(False)
        opt_G.zero_grad()
        g_loss = loss(D(fake), ones)
        g_loss.backward()
        opt_G.step()
        if best:
            D.requires_grad_(True)
        return (d_loss.item(), g_loss.item()) if report else None

    return (
        lambda: play(next(given), True),
        lambda: play(torch.randn(batch, LATENT), not best),
        f"torch {torch.__version__}, {torch.get_num_threads()} threads",
    )


OPPONENTS: dict[str, Callable[[str, int], tuple[Step, Step, str]]] = {
    "minigan": minigan_steps,
    "torch eager": lambda start, batch: torch_steps(start, batch, best=False),
    "torch best": lambda start, batch: torch_steps(start, batch, best=True),
}


def blas() -> str:
    """Which BLAS NumPy calls, and with how many threads."""
    config = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index]
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    return f"{config['name']} {config['version']}, {threads} threads"


def worker(name: str, start: str, batch: int) -> None:
    """Answer each line "n" on standard input with the milliseconds of n steps; first the losses to be checked."""
    checked, timed, versions = OPPONENTS[name](start, batch)
    print(json.dumps({"losses": [checked() for _ in range(CHECKED_STEPS)], "versions": versions}), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            timed()
            times.append(1e3 * (time.perf_counter() - begin))
        print(json.dumps(times), flush=True)


def starting_point(path: str, batch: int) -> None:
    """Weights, a real batch, and the latents that minigan draws in its first steps."""
    from minigan.backend import Purpose, Stream
    from minigan.recipes import gan as recipe

    gan = recipe.build((PIXELS,), lr=2e-4, reuse_fakes=True)
    latents = np.empty((CHECKED_STEPS, batch, LATENT), np.float32)
    for t, z in enumerate(latents):
        gan.backend.normal(z, Stream(gan.seed, Purpose.LATENT_G, t))
    real = np.random.default_rng(0).uniform(-1, 1, (batch, PIXELS)).astype(np.float32)
    state = {f"{n}.{k}": v for n in ("G", "D") for k, v in getattr(gan, n).state_dict().items()}
    np.savez(path, real=real, latents=latents, **state)


def measure(batch: int, rounds: int, steps: int) -> dict[str, str]:
    """Print a row per opponent; returns their versions."""
    with tempfile.TemporaryDirectory() as folder:
        start = os.path.join(folder, "start.npz")
        starting_point(start, batch)
        here = os.path.abspath(__file__)
        processes = {
            name: subprocess.Popen(
                [sys.executable, here, "--worker", name, start, str(batch)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for name in OPPONENTS
        }  # fmt: skip
        first = {name: json.loads(p.stdout.readline()) for name, p in processes.items() if p.stdout}
        for name, answer in first.items():
            np.testing.assert_allclose(answer["losses"], first["minigan"]["losses"], rtol=2e-3, err_msg=name)
        times: dict[str, list[float]] = {name: [] for name in processes}
        for turn in range(rounds + 1):
            for name, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(f"{steps}\n")
                process.stdin.flush()
                answer = json.loads(process.stdout.readline())
                if turn:  # the first round warms up
                    times[name] += answer[1:]  # and so does the first step of a turn
        for process in processes.values():
            process.stdin.close()  # type: ignore[union-attr]
            process.wait()
    ours = float(np.median(times["minigan"]))
    for name, values in times.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        print(f"| {batch} | {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {middle / ours:.2f} |", flush=True)
    return {name: answer["versions"] for name, answer in first.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=6, help="steps per turn")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        name, start, batch = args.worker
        worker(name, start, int(batch))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print("| batch | who | ms/step (median) | quartiles | times minigan's |\n|---|---|---|---|---|")
    versions: dict[str, str] = {}
    for batch in args.batch:
        versions = measure(batch, args.rounds, args.steps)
    print(*(f"{name}: {text}" for name, text in versions.items()), sep="\n")


if __name__ == "__main__":
    main()
