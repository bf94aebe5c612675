"""Stop a PyTorch network between its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from engines.progress import CancelToken, OnProgress


@contextmanager
def stoppable(network: Any, cancel: CancelToken, on_progress: OnProgress, message: str) -> Iterator[None]:
    """While it is entered, every layer in a ``ModuleList`` of the network first looks at ``cancel``, and tells how many
    of all layers have begun. The network stays usable after a `Cancelled`.
    """
    from torch import nn

    layers = [layer for module in network.modules() if isinstance(module, nn.ModuleList) for layer in module]
    begun = 0

    def before(*_: Any) -> None:
        nonlocal begun
        cancel.check()
        begun += 1
        on_progress(min(1.0, begun / len(layers)), message)

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_pre_hook(before).remove)
        yield
