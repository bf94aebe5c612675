"""MediaPipe started quietly, and used by several threads."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mediapipe", reason="needs mediapipe, see the extra `vision`")

from engines.mediapipe import Graph

ROOT = Path(__file__).parents[2]


def test_a_graph_says_nothing_on_standard_error_and_others_are_still_heard() -> None:
    program = (
        "import os, numpy as np\n"
        "from engines.mediapipe import Graph\n"
        "def start(solutions):\n"
        "    os.write(2, b'a word of another thread\\n')\n"
        "    return solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)\n"
        "graph = Graph(start)\n"
        "print(graph.process(np.zeros((20, 30, 3), np.uint8)).segmentation_mask.shape)\n"
        "graph.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "(20, 30)\n"
    assert done.stderr == "a word of another thread\n"


def test_threads_wait_for_each_other() -> None:
    graph = Graph(lambda solutions: solutions.selfie_segmentation.SelfieSegmentation(model_selection=0))
    sizes = [(40 + 8 * number, 50) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        masks = list(pool.map(lambda size: graph.process(np.zeros((*size, 3), np.uint8)).segmentation_mask, sizes))
    graph.close()
    assert [mask.shape for mask in masks] == sizes
