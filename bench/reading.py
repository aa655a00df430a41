"""How long an encoder waits for its images at 1,024 px, by the number of readers, as its log says it.

    python -m bench.reading [--images 512] [--rate 80] [--readers 1 2 4]

The encoder is a stand-in that takes 1 / rate seconds an image and no core of the CPU, as a GPU does (80 a second: what
arithmetic gives an H100 at 1,024 px); images are JPEGs of 500 x 375, read as `encode_latents` reads them.
"""

import argparse
import tempfile
import time
from pathlib import Path

from bench.decoding import write_images
from bench.rows import line, machine
from retort.data import streams
from retort.data.streams import Awaited, share_of_readers, stream_batches

SIDE, BATCH = 1024, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rate", type=float, default=80.0, help="images that the stand-in takes in a second")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    streams.FEW = 0  # a few hundred images are read by processes too
    print(", ".join(f"{key} {value}" for key, value in machine().items()), "\n")
    heads = ("readers", "images of a piece", "waited", "share of the time", "images/s")
    print(line(heads), line(["---"] * len(heads)), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        files = write_images(Path(folder))
        paths = [files[number % len(files)] for number in range(options.images)]
        for readers in options.readers:
            waited, seconds = waits(paths, readers, options.rate)
            piece = share_of_readers(readers, BATCH, 3 * SIDE**2).piece if readers > 1 else BATCH
            cells = (readers, piece, f"{waited:.1f} s", f"{waited / seconds:.0%}", f"{len(paths) / seconds:.0f}")
            print(line([str(cell) for cell in cells]), flush=True)


def waits(paths: list[str], readers: int, rate: float) -> tuple[float, float]:
    """Seconds that a stand-in waited, and seconds in all; the first batch, for which readers start, is not counted."""
    batches = [paths[first : first + BATCH] for first in range(0, len(paths), BATCH)]
    squares = Awaited(stream_batches([batches[0], *batches], SIDE, readers))
    next(squares)
    began, start = time.perf_counter(), squares.seconds
    for batch in squares:
        time.sleep(len(batch) / rate)
    return squares.seconds - start, time.perf_counter() - began


if __name__ == "__main__":
    main()
