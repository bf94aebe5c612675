"""Marks in a picture file that say it was made by a model. The prompt stays out: pictures get passed on."""

from __future__ import annotations

from importlib.metadata import version

from PIL.PngImagePlugin import PngInfo

from engines.protocols import GeneratedImage

#: Names of IPTC's digital source types.
_TRAINED, _COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
_ALGORITHMIC, _ENHANCED = "algorithmicMedia", "algorithmicallyEnhanced"

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{source}"/></rdf:RDF></x:xmpmeta>'
)


def synthetic(made: GeneratedImage, model: str, *, changed: bool = False) -> PngInfo:
    """What goes into the PNG: that it is synthetic (in words and as IPTC's digital source type), the model, the seed.

    ``changed``: it was made from a picture that somebody gave.
    """
    if made.kind == "vector-scene":
        source, how = _ALGORITHMIC, "composed of ready-made vector art by a program"
    else:
        source, how = (_COMPOSITE, "changed by a model") if changed else (_TRAINED, "made by a model")
    width, height = made.image.size
    info = _marks(f"Synthetic picture, {how}: {model}.", source)
    info.add_text("parameters", f"Model: {model}, Seed: {made.seed}, Steps: {made.steps}, Size: {width}x{height}")
    return info


def enhanced(model: str) -> PngInfo:
    """What goes into the PNG of a picture that a model only made larger."""
    return _marks(f"Enlarged by a model, which made up its details: {model}.", _ENHANCED)


def _marks(comment: str, source: str) -> PngInfo:
    info = PngInfo()
    info.add_text("Software", f"Sensorium {version('sensorium')}")
    info.add_text("Comment", comment)
    info.add_itxt("XML:com.adobe.xmp", _XMP.format(source=source))
    return info
