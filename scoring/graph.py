"""An exported network in ONNX Runtime: what runs it at the line and at a station, the same bytes the same way."""

from collections.abc import Callable

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Photos = NDArray[np.uint8]  # (B, H, W, 3)
Outputs = list[NDArray[np.float32]]
Engine = Callable[[Photos], Outputs]


class Graph:
    """An exported network in ONNX Runtime; one thread at the line, where workers are one process per core."""

    engine = "ONNX Runtime, float32"

    def __init__(self, content: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.content = content
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, photos: Photos) -> Outputs:
        found: Outputs = self.session.run(None, {"photos": photos})
        return found
