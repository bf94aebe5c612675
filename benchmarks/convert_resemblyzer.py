"""Make `speaker_encoder.onnx` from the weights in the package Resemblyzer, and compare the two.

Run by hand by whoever maintains the embedded speaker encoder; nothing in the product imports it. It needs PyTorch
(extra `transformers`) and one package more, `onnx`, for writing the file. The carrier is data, it is never installed:

    pip download --no-deps Resemblyzer==0.1.4
    unzip Resemblyzer-0.1.4-py3-none-any.whl resemblyzer/pretrained.pt
    pip install onnx
    python benchmarks/convert_resemblyzer.py resemblyzer/pretrained.pt speaker_encoder.onnx --sound tests/media/jfk.flac

The network is the GE2E speaker encoder of github.com/resemble-ai/Resemblyzer (Apache-2.0): three LSTM layers of 256
cells, a linear layer, ReLU, unit length. Input `mels`: (pieces, 160, 40) float32, power of 40 mel bands in 160 frames
of 10 ms. Output `embeddings`: (pieces, 256), unit vectors. Weights are kept as float16, and widened when loaded.

With ``--sound``, the mel bands are compared with librosa's too, where it is installed (coqui-tts brings it).
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx  # type: ignore[import-not-found]  # installed by hand, see above
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from engines.audio.mels import mel_power
from engines.audio.read import read_audio

OPSET = 17
IR_VERSION = 8
LAYERS, SIZE, BANDS, FRAMES = 3, 256, 40, 160
RATE = 16_000


class Original(torch.nn.Module):
    """The network as Resemblyzer defines it (`resemblyzer/voice_encoder.py`)."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(BANDS, SIZE, LAYERS, batch_first=True)
        self.linear = torch.nn.Linear(SIZE, SIZE)
        # The loss has two weights more: similarity_weight and similarity_bias.
        self.load_state_dict({name: value for name, value in state.items() if "similarity" not in name})

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(mels)
        raw = torch.relu(self.linear(hidden[-1]))
        unit: torch.Tensor = raw / raw.norm(dim=1, keepdim=True)
        return unit


class Writer:
    """Collects nodes and half-precision weights."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float16), f"{name}_half"))
        self.nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        return name

    def shape(self, name: str, value: list[int]) -> str:
        self.weights.append(numpy_helper.from_array(np.array(value, np.int64), name))
        return name

    def node(self, op: str, inputs: list[str], outputs: list[str], **attributes: object) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))


def onnx_gates(value: np.ndarray) -> np.ndarray:
    """PyTorch's order of gates (input, forget, cell, output) to that of ONNX (input, output, forget, cell)."""
    i, f, c, o = np.split(value, 4)
    return np.concatenate([i, o, f, c])


def convert(state: dict[str, torch.Tensor]) -> onnx.ModelProto:
    values = {name: tensor.numpy() for name, tensor in state.items()}
    writer = Writer()
    writer.node("Transpose", ["mels"], ["x0"], perm=[1, 0, 2])  # frames first
    axis = writer.shape("direction", [1])
    for layer in range(LAYERS):
        w, r = (writer.weight(f"{n}{layer}", onnx_gates(values[f"lstm.weight_{k}_l{layer}"])[None])
                for n, k in (("W", "ih"), ("R", "hh")))  # fmt: skip
        bias = np.concatenate([onnx_gates(values[f"lstm.bias_{kind}_l{layer}"]) for kind in ("ih", "hh")])
        b = writer.weight(f"B{layer}", bias[None])
        writer.node("LSTM", [f"x{layer}", w, r, b], [f"y{layer}", f"h{layer}", ""], hidden_size=SIZE)
        writer.node("Squeeze", [f"y{layer}", axis], [f"x{layer + 1}"])
    writer.node("Squeeze", [f"h{LAYERS - 1}", writer.shape("first", [0])], ["last"])
    weight = writer.weight("linear", values["linear.weight"])
    writer.node("Gemm", ["last", weight, writer.weight("bias", values["linear.bias"])], ["line"], transB=1)
    writer.node("Relu", ["line"], ["raw"])
    writer.node("LpNormalization", ["raw"], ["embeddings"], axis=1, p=2)
    graph = helper.make_graph(
        writer.nodes,
        "speaker_encoder",
        [helper.make_tensor_value_info("mels", TensorProto.FLOAT, ["pieces", FRAMES, BANDS])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["pieces", SIZE])],
        writer.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sensorium")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def pieces_of(sound: Path | None) -> np.ndarray:
    """Mel bands of a recording in pieces of 160 frames, or, without one, noise of about their size."""
    if sound is None:
        return np.random.default_rng(0).gamma(0.3, 0.1, (8, FRAMES, BANDS)).astype(np.float32)
    samples = read_audio(sound, rate=RATE).samples
    mels = mel_power(samples)
    if find_spec("librosa"):
        import librosa

        theirs = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=BANDS).T
        print(
            f"mel bands: largest difference from librosa {np.abs(mels - theirs).max() / theirs.max():.1e} of the peak"
        )
    return np.stack([mels[start : start + FRAMES] for start in range(0, len(mels) - FRAMES, FRAMES // 2)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="resemblyzer/pretrained.pt")
    parser.add_argument("target", type=Path)
    parser.add_argument("--sound", type=Path, help="a recording to compare both on")
    args = parser.parse_args()
    state = torch.load(args.weights, map_location="cpu", weights_only=True)["model_state"]
    onnx.save(convert({name: value for name, value in state.items() if "similarity" not in name}), args.target)
    mels = pieces_of(args.sound)
    session = onnxruntime.InferenceSession(args.target, providers=["CPUExecutionProvider"])
    ours = session.run(None, {"mels": mels})[0]
    with torch.no_grad():
        theirs = Original(state)(torch.from_numpy(mels)).numpy()
    cosines = (ours * theirs).sum(1)
    print(f"{args.target.stat().st_size:,} bytes; cosine with the original over {len(mels)} pieces: "
          f"lowest {cosines.min():.6f}; largest difference {np.abs(ours - theirs).max():.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
