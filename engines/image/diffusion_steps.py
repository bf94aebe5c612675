"""Following a diffusion pipeline while it works: progress, previews, and stopping it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from engines.progress import CancelToken, OnProgress

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

#: VAE scaling factor -> how much red, green and blue (rows: the four channels of the latents; last: what is added) is
#: in them: a picture 1/8 as large for the price of a small matrix product. The first are those of Stable Diffusion 1
#: and 2, found by regression and long used by its interfaces; the second are SDXL's, from diffusers' guide to
#: callbacks. Brought to -1..1.
_COLOURS: Final[Mapping[float, tuple[tuple[float, float, float], ...]]] = {
    0.18215: (
        (0.298, 0.207, 0.208),
        (0.187, 0.286, 0.173),
        (-0.158, 0.189, 0.264),
        (-0.184, -0.271, -0.473),
        (0.0, 0.0, 0.0),
    ),
    0.13025: (
        (0.471, 0.471, 0.471),
        (-0.471, -0.039, 0.078),
        (0.196, 0.118, -0.039),
        (-0.549, -0.392, -0.275),
        (0.176, 0.098, 0.020),
    ),
}

_PARTS = ("text_encoder", "text_encoder_2", "unet", "controlnet", "vae")


class Follower:
    """Reports a run of a pipeline, and breaks it off when its token is set: raises Cancelled in the thread that works.

    A step of a large model takes half a minute on a CPU, so the token is looked at in each layer.
    """

    def __init__(
        self, on_progress: OnProgress, on_preview: Callable[[Image], None] | None, cancel: CancelToken
    ) -> None:
        self.steps = 0
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._cancel = cancel

    @contextmanager
    def watching(self, pipe: Any) -> Iterator[None]:
        """Look at the token before each layer of the pipeline's networks."""

        def check(*_: object) -> None:
            self._cancel.check()

        self._cancel.check()
        self._on_progress(0.0, "reading the prompt")
        if getattr(pipe, "safety_checker", None) is not None:
            self._on_preview = None  # it would show what the checker is there to hide
        with ExitStack() as hooks:
            for name in _PARTS:
                network = getattr(pipe, name, None)
                for layer in network.modules() if network is not None else ():
                    if next(layer.children(), None) is None:
                        hooks.callback(layer.register_forward_pre_hook(check).remove)
            yield

    def step_ended(self, pipe: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Diffusers' ``callback_on_step_end``."""
        self._cancel.check()
        self.steps = step + 1
        total = max(self.steps, int(pipe.num_timesteps))
        # The decoder's share is small but for models of one step or two.
        said = f"step {self.steps} of {total}" if self.steps < total else "making the picture of it"
        self._on_progress(self.steps / (total + 1), said)
        if self._on_preview and (preview := latent_preview(tensors["latents"], pipe.vae.config.scaling_factor)):
            self._on_preview(preview)
        return {}


def latent_preview(latents: torch.Tensor, scaling_factor: float) -> Image | None:
    """The first of the latents, shape (n, 4, h, w), as a picture of w x h px; None for a kind that isn't known."""
    import torch
    from PIL import Image

    colours = _COLOURS.get(round(scaling_factor, 5))
    if colours is None or latents.shape[1] != 4:
        return None
    first = latents[0].detach().to("cpu", torch.float32)
    first = first / max(1.0, float(first.std()))  # early on they are mostly noise, of far more than unit variance
    *weights, bias = (torch.tensor(row) for row in colours)
    rgb = torch.einsum("chw,cd->hwd", first, torch.stack(weights)) + bias
    return Image.fromarray(((rgb.clamp(-1, 1) + 1) * 127.5).to(torch.uint8).numpy())
