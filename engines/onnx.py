"""How every model in onnxruntime is opened: on the processor, with the threads it was given, without spinning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engines.errors import EngineError
from engines.loading import LoadContext

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


def only_session(context: LoadContext) -> InferenceSession:
    """The model in a folder that holds one .onnx file. Raises EngineError, saying how to mend it, when it doesn't."""
    fix = f"Fetch it again: sensorium models pull {context.entry.id}"
    files = sorted(context.folder.glob("*.onnx"))
    if len(files) != 1:
        raise EngineError(f"{context.entry.id}: its folder must hold one .onnx file; it holds {len(files)}.", fix=fix)
    try:
        return cpu_session(files[0], context.threads)
    except ImportError:
        raise
    except Exception as error:  # onnxruntime's exceptions share no base class below this one
        raise EngineError(f"{context.entry.id} can't be loaded: {str(error).splitlines()[0]}.", fix=fix) from error
