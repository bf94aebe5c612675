"""The 80 classes of COCO, in the order in which detectors number them."""

from __future__ import annotations

from typing import Final

_NAMES = """\
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,
bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,
sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,
bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,
toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,
teddy bear,hair drier,toothbrush"""

COCO_LABELS: Final = tuple(_NAMES.replace("\n", "").split(","))

#: Names that other detectors give to classes of COCO (those of PASCAL VOC, of which RT-DETR is one).
_OTHER_NAMES: Final = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "sofa": "couch",
    "tvmonitor": "tv",
}


def coco_name(label: str) -> str:
    """The name that COCO has for a label of a detector; the label itself where it has none."""
    return _OTHER_NAMES.get(label, label)
