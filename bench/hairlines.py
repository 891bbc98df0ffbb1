"""How many hairlines a version finds: renderings of 1920 x 1080 with lines of 1 to 2 px, against good and dirty ones.

Run with `python bench/hairlines.py [--weights FILE] [--parts 100]`; without weights it measures the starter. Half of the
parts have hairlines, the others no scratch; both may be soiled or have a reflection or a print. The seeds are of a range
that no training draws from unless its own seed is 900. Recall stands at the threshold that 2 % of the good parts reach, and
at the version's own.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shadow.vision import evaluation  # noqa: E402
from shadow.vision.synthetic import CONTAMINATIONS, NUISANCES, render  # noqa: E402

SIZE = (1920, 1080)
FIRST_SEED = 900_000_000
FALSE_ALARMS = 0.02


def rendering(number: int) -> np.ndarray:
    """A photo (1080, 1920, 3); the even ones have hairlines."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng(seed)
    dirt = [str(kind) for kind in rng.permutation(CONTAMINATIONS)[: rng.integers(0, 2)]]
    beside = [str(kind) for kind in rng.permutation(NUISANCES)[: rng.integers(0, 2)]]
    flaw = "scratch" if number % 2 == 0 else "none"
    return render(seed, flaw=flaw, hairline=flaw == "scratch", contaminations=dirt, nuisances=beside, size=SIZE).image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="*", default=[ROOT / "shadow/starter/starter.safetensors"])
    parser.add_argument("--parts", type=int, default=100, help="of each kind")
    asked = parser.parse_args()
    from PIL import Image

    from shadow.vision.runtime import Answer, Scorer

    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        photos = [Image.fromarray(pixels) for pixels in pool.map(rendering, range(2 * asked.parts), chunksize=8)]
    labels = np.arange(len(photos)) % 2 == 0
    for path in asked.weights:
        scorer = Scorer(path.read_bytes())
        answers = [answer for photo in photos for answer in scorer.score([[photo]])]
        known = np.array([isinstance(answer, Answer) for answer in answers])
        scores = np.array([answer.score for answer in answers if isinstance(answer, Answer)])
        truth = labels[known]
        good = np.sort(scores[~truth])
        limit = good[-int(FALSE_ALARMS * len(good)) - 1]  # so many of the good parts score above it
        print(
            f"{path.name}: {known.mean():.1%} scored, AUROC {evaluation.auroc(scores, truth):.4f}, recall at "
            f"{(good > limit).mean():.0%} false alarms {(scores[truth] > limit).mean():.3f}, at the version's own threshold "
            f"{(scores[truth] >= scorer.threshold).mean():.3f} with {(good >= scorer.threshold).mean():.3f} false alarms",
            flush=True,
        )


if __name__ == "__main__":
    main()
