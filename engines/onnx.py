"""How every model in onnxruntime is opened: on the processor, with the threads it was given, without spinning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def cpu_session(path: Path, threads: int) -> InferenceSession:
    """Raises ImportError without onnxruntime, and its exceptions, which share no base class, for a broken file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting costs other models CPU
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
