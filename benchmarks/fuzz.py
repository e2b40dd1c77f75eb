"""Files that are damaged, forged or in the wrong place: minigan must notice, at once, in a documented exception.

    python benchmarks/fuzz.py                           20,000 files over all formats
    python benchmarks/fuzz.py --tries 500 --formats checkpoint png
    python benchmarks/fuzz.py --kills 200               kill a run at random moments instead

Each try takes a whole file, changes it, and reads it by the door that people use. Changes are of bits, bytes and parts;
where a format has structure, of that: a member of an archive with a right checksum, a value somewhere in a header, a
cell of a table, links and pipes in a folder. The inputs of tests/test_limits.py, which once needed gigabytes or had no
end, come first. Counted are exceptions that nobody documents, tries that take more than 5 seconds, memory (of the
process, from one try to the next) and files outside the folder that were touched. The same seed makes the same files.
With --kills, a run is killed by SIGKILL again and again, every third time while its checkpoint is being written, and in
the end compared, bit for bit, with one that never was. Figures go to benchmarks/results/fuzz.json.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import minigan
import minigan.commands.sample
from minigan import archive, console, environment
from minigan.archive import write_atomically
from minigan.datasets import csv as points
from minigan.match import METRICS
from minigan.runs.config import Config
from minigan.runs.lines import MetricsTable
from minigan.training import resume, train

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results" / "fuzz.json"
SLOW = 5.0  # seconds
DOCUMENTED = (ValueError, TypeError, OSError, minigan.NonFiniteError, ImportError)
ODD: list[Any] = [
    0, 1, -1, 2, 255, 65_536, 2**31, 2**53 + 1, 2**62, 2**63, 2**64 - 1, 10**30, -(2**63), 0.5, -0.0, 1e-300, 1e300,
    float("nan"), float("inf"), None, True, False, "", "x", "1", "é\0", "/etc", "..", [], {}, [0], [[]],
    {"kind": "Layer"}, {"kind": "Tanh"}, "9" * 400, [1] * 50,
]  # fmt: skip


class TooSlow(BaseException):
    """Raised into a try by the clock."""


# --- what is changed -------------------------------------------------------------------------------------------


def bytes_changed(data: bytes, rng: random.Random) -> bytes:
    """A few bits, bytes or parts of a file."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not changed:
            break
        place = rng.randrange(len(changed))
        match rng.randrange(7):
            case 0 | 1:
                changed[place] ^= 1 << rng.randrange(8)
            case 2:
                changed[place] = rng.choice((0, 1, 127, 128, 255))
            case 3:
                del changed[place:]
            case 4:
                del changed[place : place + rng.randrange(1, 40)]
            case 5:
                changed[place:place] = changed[place : place + rng.randrange(1, 200)] or b"\0"
            case 6:
                number = struct.pack(rng.choice("<>") + rng.choice("HIQ"), rng.choice((0, 1, 2**15, 2**16 - 1)))
                changed[place : place + len(number)] = number
    return bytes(changed)


def value_changed(value: Any, rng: random.Random) -> Any:
    """JSON with something else somewhere in it."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        changed = dict(value) if isinstance(value, dict) else list(value)
        match rng.randrange(8):
            case 0:
                del changed[key]
            case 1 if isinstance(changed, list):
                changed += [changed[key]] * rng.choice((1, 20, 3000))
            case 2 if isinstance(changed, dict):
                changed[rng.choice(("kind", "steps", "x", ""))] = changed[key]
            case _:
                changed[key] = value_changed(changed[key], rng)
        return changed
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice((value + 1, value - 1, -value, value * 1000, value * 10**9, value / 7))
    deep: Any = value
    if rng.random() < 0.03:
        for _ in range(rng.choice((10, 900))):
            deep = rng.choice(([deep], {"kind": "Linear", "start": deep, "end": 0, "steps": 1}))
        return deep
    return rng.choice(ODD)


def archive_changed(data: bytes, rng: random.Random) -> bytes:
    """Its bytes, or a member of it in an archive that is whole again."""
    if rng.random() < 0.4:
        return bytes_changed(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    name = rng.choice(list(members)) if rng.random() < 0.5 or "header.json" not in members else "header.json"
    match rng.randrange(6):
        case 0:
            del members[name]
        case 1:
            members[rng.choice(("a.npy", "labels.npy", "x_train.npy", "G/0.weight.npy", "a.pkl"))] = members[name]
        case 2:
            members[name] = bytes_changed(members[name], rng)
        case _ if name == "header.json":
            members[name] = json.dumps(value_changed(json.loads(members[name]), rng)).encode()
        case _:
            members[name] = npy_changed(members[name], rng)
    out = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w", rng.choice((0, 8))) as zipped:
        for key, content in members.items():
            zipped.writestr(key, content)
    return out.getvalue()


def npy_changed(data: bytes, rng: random.Random) -> bytes:
    """Other numbers, another dtype, or a header that says something else."""
    array = np.lib.format.read_array(io.BytesIO(data))
    if rng.random() < 0.4:
        shape: Any = rng.choice(((), (0,), (2**40,), (2**62, 4), (True, True), (1,) * 40, array.shape[::-1], (-1,)))
        head = f"{{'descr': {rng.choice(('<f4', '|u1', '|O', '<U9', '<i8', '>f8', '<M8[s]'))!r}, "
        head += f"'fortran_order': {rng.choice((True, False, 1))}, 'shape': {shape!r}, }}"
        text = head.ljust(117).encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes()
    out = io.BytesIO()
    kind = rng.choice(("f4", "f8", "i8", "u1", "?", "U3", "c8", "f2"))
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        changed = array.astype(kind) if rng.random() < 0.5 else array.copy()
        if changed.size and changed.dtype.kind == "f":
            changed.flat[rng.randrange(changed.size)] = rng.choice((np.nan, np.inf, 1e300, -1.0, 0.0))
    np.lib.format.write_array(out, changed if rng.random() < 0.7 else changed.reshape(-1), allow_pickle=False)
    return out.getvalue()


def text_changed(data: bytes, rng: random.Random) -> bytes:
    """Its bytes, or a cell or a row of a table."""
    lines = data.decode().split("\n")
    if rng.random() < 0.3 or len(lines) < 3:
        return bytes_changed(data, rng)
    place = rng.randrange(len(lines) - 1)
    match rng.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[rng.randrange(len(lines))])
        case 2:
            other = rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        case _:
            cells = lines[place].split(",")
            cells[rng.randrange(len(cells))] = str(rng.choice((*ODD, "1e999", "-nan", "1,2", '"', "0x10", "١")))
            lines[place] = ",".join(cells)
    return "\n".join(lines).encode(errors="replace")


# --- the formats -----------------------------------------------------------------------------------------------


@dataclass
class Format:
    """whole: a file as it should be. change: another one. read: what people do with it, in a folder of its own."""

    name: str
    whole: list[bytes]
    change: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path, bytes], None]
    share: float = 1.0  # of the tries, beside the others


def game() -> minigan.GAN:
    """A little of everything."""
    m = minigan
    G = m.Sequential(m.Dense(3, 8), m.BatchNorm(8), m.ReLU(), m.nn.Reshape(2, 2, 2), m.nn.Upsample(2),
                     m.Conv2D(2, 1, 3, padding=1), m.Tanh(), seed=1)  # fmt: skip
    D = m.Sequential(m.Conv2D(1, 2, 2, stride=2), m.LeakyReLU(), m.nn.AvgPool2D(2), m.nn.Flatten(),
                     m.Dense(2, 1, norm=m.nn.SpectralNorm()), seed=2)  # fmt: skip
    rate = m.optim.Cosine(1e-3, 0.0, 50)
    gan = m.GAN(G, D, optimizer=m.Adam(rate, beta1=0.5), penalties=[m.R1(1.0)], average=0.9)
    gan.fit(np.zeros((8, 4, 4), np.uint8) + np.arange(8, dtype=np.uint8)[:, None, None], 2, 4)
    return gan


def saved(write: Callable[[Any], None]) -> bytes:
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def read_checkpoint(folder: Path, data: bytes) -> None:
    path = put(folder, "checkpoint.npz", data)
    gan = minigan.GAN.load(path)
    gan.sample(1)
    minigan.commands.sample.sample(path, 1, out=folder / "a.npz")


def read_table(folder: Path, data: bytes) -> None:
    table = MetricsTable(put(folder, "metrics.csv", data))
    table.rewind(5)
    assert table.read()["step"].tolist() == [1, 2, 3, 4, 5]


def dataset(name: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, data: bytes) -> None:
        path = put(folder, name, data)
        minigan.datasets.load(path if path.parent == folder else path.parent)

    return read


class Runs:
    """A run folder, spoiled in one file and gone on with; what is beside it must stay as it is."""

    def __init__(self, where: Path) -> None:
        images = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
        archive.save(where / "data.npz", {"images": images})
        self.run, self.outside = where / "template", where / "outside"
        options = {"latent": 2, "nets": "points", "width": 4, "decay_steps": "all"}
        settings: dict[str, Any] = {"steps": 3, "batch": 4, "backend": "numpy", "sample_every": 1, "quiet": True}
        train("gan", where / "data.npz", out=self.run, options=options, **settings)
        self.outside.mkdir()
        (self.outside / "thesis.txt").write_bytes(b"precious")
        (self.outside / "000009.png").write_bytes(b"precious")
        self.names = [str(p.relative_to(self.run)) for p in sorted(self.run.rglob("*")) if p.is_file()]

    def state(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.outside.iterdir()}

    def change(self, data: bytes, rng: random.Random) -> bytes:
        return str(rng.randrange(2**60)).encode()  # what to do, for `read`

    def read(self, folder: Path, data: bytes) -> None:
        rng, run, before = random.Random(int(data)), folder / "run", self.state()
        shutil.copytree(self.run, run)
        name = rng.choice([*self.names, "samples", "notices.txt", ".lock"])
        place = run / name
        how = rng.choice(("change", "change", "change", "link", "hard link", "pipe", "remove", "folder"))
        if how == "change" and place.is_file():
            old = place.read_bytes()
            changes = {".json": json_changed, ".csv": text_changed, ".npz": archive_changed}
            place.write_bytes(changes.get(place.suffix, bytes_changed)(old, rng))
        elif how != "change":
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
            if how == "link":
                place.symlink_to(self.outside if name == "samples" else self.outside / "thesis.txt")
            elif how == "hard link":
                os.link(self.outside / "thesis.txt", place)
            elif how == "pipe":
                os.mkfifo(place)
            elif how == "folder":
                place.mkdir()
        try:
            resume(run, 5, quiet=True)
        finally:
            if self.state() != before:
                raise AssertionError(f"{name}, {how}: files outside the folder were touched")


def json_changed(data: bytes, rng: random.Random) -> bytes:
    return json.dumps(value_changed(json.loads(data), rng)).encode() if rng.random() < 0.7 else bytes_changed(data, rng)


def formats(where: Path) -> list[Format]:
    from PIL import Image

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    idx = b"\0\0\x08\x03" + struct.pack(">III", *images.shape) + images.tobytes()
    rows = ["step," + ",".join(METRICS), *(",".join(map(str, [n, *rng.random(len(METRICS))])) for n in range(1, 6)), ""]
    pictures = [
        saved(lambda out, mode=mode: Image.fromarray(images[0]).convert(mode).save(out, "PNG"))  # type: ignore[misc]
        for mode in ("L", "RGB", "RGBA", "1", "P", "I;16")
    ]
    runs = Runs(where)
    config = (runs.run / "config.json").read_bytes()
    arrays = {"images": images, "labels": np.arange(6)}
    return [
        Format("checkpoint", [saved(game().save)], archive_changed, read_checkpoint, share=3),
        Format("config", [config], json_changed, lambda d, data: void(Config.read(put(d, "config.json", data)))),
        Format("metrics", ["\n".join(rows).encode()], text_changed, read_table),
        Format("npz", [saved(lambda f: np.savez(f, **arrays)), saved(lambda f: np.savez_compressed(f, x_train=images))],
               archive_changed, dataset("a.npz"), share=2),
        Format("idx", [idx, gzip.compress(idx)], bytes_changed, dataset("train-images-idx3-ubyte")),
        Format("csv", [b"x,y\n1,2\n3.5,-4e-3\n\n5,6\n"], text_changed,
               lambda d, data: void(points.read(put(d, "a.csv", data)))),
        Format("png", pictures, bytes_changed, dataset("pictures/0.png")),
        Format("run folder", [b"0"], runs.change, runs.read, share=0.5),
    ]  # fmt: skip


def void(_: Any) -> None:
    """Nobody asks what was read."""


def corpus() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """What once needed gigabytes or had no end: the inputs of tests/test_limits.py."""
    sys.path.insert(0, str(ROOT.parent / "tests"))
    import test_limits

    whole = saved(lambda file: test_limits.images_game().save(file, {"shape": [4, 4]}))
    for name, (change, _) in {**test_limits.WORK, **test_limits.ODD}.items():
        yield (
            name,
            lambda folder, change=change: void(  # type: ignore[misc]
                minigan.GAN.load(test_limits.forged(whole, folder / "a.npz", change)).sample(1)
            ),
        )


# --- trying ----------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """Of one format. faults: what went wrong, and how to see it again."""

    tries: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: float = 0.0
    faults: list[str] = field(default_factory=list)


def tried(act: Callable[[Path], None], tally: Tally, name: str, where: Path) -> None:
    """One try, in an empty folder."""
    folder = Path(tempfile.mkdtemp(dir=where))
    reset_peak()
    begun = time.perf_counter()
    try:
        with clock(4 * SLOW), warnings.catch_warnings(action="ignore"):
            act(folder)
    except DOCUMENTED as error:
        tally.refused += 1
        if not str(error) or len(str(error)) > 2000:
            tally.faults.append(f"{name}: {type(error).__name__} without a sentence that anybody reads")
    except TooSlow:
        tally.faults.append(f"{name}: no end within {4 * SLOW:.0f} s")
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        tally.faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]} ({last.filename}:{last.lineno})")
        if isinstance(error, KeyboardInterrupt):
            raise
    took = time.perf_counter() - begun
    if took > SLOW:
        tally.faults.append(f"{name}: {took:.1f} s")
    tally.tries, tally.slowest, tally.peak = tally.tries + 1, max(tally.slowest, took), max(tally.peak, peak())
    shutil.rmtree(folder, ignore_errors=True)


def run(
    tries: int, seed: int = 0, only: list[str] | None = None, say: Callable[[str], None] = void
) -> dict[str, Tally]:
    """Try so many files; {format: what was found}."""
    found: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory() as scratch, quick_plots():
        where = Path(scratch)
        chosen = [form for form in formats(where) if only is None or form.name in only]
        if only is None or "corpus" in only:
            tally = found["corpus"] = Tally()
            for name, act in corpus():
                tried(act, tally, f"corpus {name}", where)
        shares = sum(form.share for form in chosen)
        for form in chosen:
            tally = found[form.name] = Tally()
            for i in range(max(1, round(tries * form.share / shares))):
                rng = random.Random(f"{seed} {form.name} {i}")
                data = form.change(rng.choice(form.whole), rng)
                tried(lambda folder, data=data, form=form: form.read(folder, data), tally, f"{form.name} {i}", where)  # type: ignore[misc]
            say(f"{form.name}: {tally.tries:,} tries, {len(tally.faults)} faults")
    return found


@contextmanager
def quick_plots() -> Iterator[None]:
    """Matplotlib takes longer than all the rest, and reads no file."""
    from minigan.runs import pictures

    plot = pictures.plot_losses
    pictures.plot_losses = lambda file, *_: void(file.write(b"losses"))  # type: ignore[assignment, union-attr, misc]
    try:
        yield
    finally:
        pictures.plot_losses = plot


@contextmanager
def clock(seconds: float) -> Iterator[None]:
    def late(number: int, frame: Any) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def reset_peak() -> None:
    with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # Linux: the peak begins anew
        file.write("5")


def peak() -> float:
    """The largest memory of the process since `reset_peak`, or ever, in megabytes."""
    with suppress(OSError, StopIteration, ValueError), open("/proc/self/status") as file:
        return float(next(line for line in file if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- killing ---------------------------------------------------------------------------------------------------


def kills(count: int, seed: int = 0, say: Callable[[str], None] = void) -> dict[str, Any]:
    """Kill a run so often; what is different in the end from one that was never killed."""
    rng, in_writing = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as scratch, quick_plots():
        where = Path(scratch)
        images = np.random.default_rng(0).integers(0, 256, (50, 6, 6), dtype=np.uint8)
        archive.save(where / "data.npz", {"images": images})
        settings: dict[str, Any] = {
            "steps": 10**6, "batch": 4, "backend": "numpy", "sample_every": 7, "checkpoint_every": 1, "quiet": True,
        }  # fmt: skip
        options = {"nets": "points", "width": 16, "latent": 3, "average": 0.9, "d_norm": "spectral"}
        run = where / "run"

        def play() -> None:
            if (run / "config.json").exists():
                resume(run, quiet=True)
            else:
                train("gan", where / "data.npz", out=run, options=options, **settings)

        for kill in range(count):
            child = os.fork()
            if child == 0:
                with suppress(BaseException):
                    play()
                os._exit(1)
            give_up, checkpoint = time.monotonic() + 60, run / "checkpoint.npz"
            if rng.random() < 0.8:  # once it trains; else perhaps before
                before = stamp(checkpoint)
                while stamp(checkpoint) == before and time.monotonic() < give_up:
                    time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.3))
            while kill % 3 == 0 and time.monotonic() < give_up:
                if any(run.glob(".checkpoint.npz.*.tmp")):
                    in_writing += 1
                    break
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), "the run ended by itself: see what it says"
            if (kill + 1) % 20 == 0:
                say(f"{kill + 1} kills")
        reached = minigan.GAN.load(run / "checkpoint.npz").steps + 3
        resume(run, reached, quiet=True)
        straight = train(
            "gan", where / "data.npz", out=where / "straight", options=options, **settings | {"steps": reached}
        )
        one, other = (
            {str(p.relative_to(r)): p.read_bytes() for p in r.rglob("*") if p.is_file()} for r in (run, straight)
        )
        apart = {"config.json", ".lock"}  # the first total was another one, and so was the process
        different = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
        return {
            "kills": count, "while the checkpoint was written": in_writing, "steps": reached,
            "differences": [name for name in different if name not in apart],
        }  # fmt: skip


def stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


# --- telling ---------------------------------------------------------------------------------------------------


def table(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        [name, f"{t['tries']:,}", f"{t['refused']:,}", str(len(t["faults"])), f"{t['slowest']:.2f}", f"{t['peak']:.0f}"]
        for name, t in found.items()
    ]
    return console.table(["format", "files", "refused", "faults", "slowest, s", "peak, MB"], rows, left=(0,))


def note(kept: dict[str, Any]) -> str:
    """What the table does not say."""
    said = ["Peak is the memory of the whole process, with Python, NumPy and Pillow in it."]
    if "kills" in kept:
        found = kept["kills"]
        times, while_written = found["kills"], found["while the checkpoint was written"]
        said.append(
            f"With `--kills {times}`, a run was killed so often, {while_written} times while its checkpoint was "
            f"written: {len(found['differences'])} differences from one that never was."
        )
    return " ".join(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=20_000, help="files in all (default: 20000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="*", help="some of them only; figures are then not kept")
    parser.add_argument("--kills", type=int, default=0, help="kill a run so often, instead of changing files")
    args = parser.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if args.kills:
        kept["kills"] = kills(args.kills, args.seed, print)
        print(json.dumps(kept["kills"]))
        bad = len(kept["kills"]["differences"])
    else:
        found = {name: asdict(tally) for name, tally in run(args.tries, args.seed, args.formats, print).items()}
        faults = [fault for tally in found.values() for fault in tally["faults"]]
        bad = len(faults)
        print("\n".join([*faults[:50], table(found)]))
        kept["formats"], kept["table"] = found, table(found)
    if not args.formats:
        kept |= {"when": datetime.now(UTC).strftime("%Y-%m-%d"), "environment": environment.facts(), "note": note(kept)}
        with write_atomically(RESULTS) as file:
            file.write(json.dumps(kept, indent=1).encode() + b"\n")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
