"""MediaPipe's graphs, started without their chatter on the terminal and called by one thread at a time.

MediaPipe 0.10.21 holds its own models. Importing it takes about a second, and its C++ code writes to the process's
standard error whatever Python's logging says.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What it writes when all is well. Errors, and what others write meanwhile, are passed on.
_CHATTER: Final = re.compile(
    rb"[IW]\d{4} .*\.cc:\d+\]"
    rb"|INFO: Created TensorFlow Lite"
    rb"|WARNING: All log messages before absl::"
    rb"|AttributeError: 'MessageFactory' object has no attribute 'GetPrototype'"
)

#: Graphs of different kinds may work side by side, but are started one after the other.
_starting = threading.Lock()


class Graph:
    """One of ``mediapipe.solutions``, which are not thread-safe: calls wait for each other.

    ``start`` is given the module ``mediapipe.solutions`` and returns a solution, as in
    ``Graph(lambda solutions: solutions.pose.Pose(model_complexity=1))``. Raises ImportError without MediaPipe.
    """

    def __init__(self, start: Callable[[Any], Any]) -> None:
        import numpy as np

        self._calling = threading.Lock()
        with _starting, _without_chatter():
            import mediapipe

            self._solution = start(mediapipe.solutions)
            # The models behind a graph are opened, not without words, when the first picture comes.
            self._solution.process(np.zeros((64, 64, 3), np.uint8))
        self._fresh = True

    def process(self, rgb: NDArray[np.uint8]) -> Any:
        """What the solution finds in a picture of shape (height, width, 3): its own result type."""
        import numpy as np

        with self._calling:
            if not self._fresh:
                return self._solution.process(np.ascontiguousarray(rgb))
            with _starting, _without_chatter():  # the first picture that shows something is commented on, too
                found = self._solution.process(np.ascontiguousarray(rgb))
            self._fresh = all(getattr(found, name) is None for name in found._fields)
            return found

    def reset(self) -> None:
        """Forget what earlier pictures showed: call it before another clip."""
        import numpy as np

        with self._calling, _starting, _without_chatter():  # it opens its models again
            self._solution.reset()
            self._solution.process(np.zeros((64, 64, 3), np.uint8))
            self._fresh = True

    def close(self) -> None:
        with self._calling:
            self._solution.close()


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then pass on all that isn't chatter."""
    try:
        terminal = os.dup(2)
    except OSError:  # a service may run without standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            held.seek(0)
            if said := b"".join(line for line in held if not _CHATTER.match(line)):
                os.write(2, said)
