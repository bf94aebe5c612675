"""Asks a free online service to translate, in a process of its own.

deep-translator sets no timeout on its requests, so a service that hangs would hold a thread for ever; a process can be
ended. Standard input is one JSON object: ``{"texts": [...], "source": "en", "target": "es", "base_url": ""}``. Standard
output is one line of JSON for each text: ``{"text": "..."}`` or ``{"error": "..."}``, after which it stops.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    from deep_translator import GoogleTranslator

    asked = json.load(sys.stdin)
    translator = GoogleTranslator(source=asked["source"], target=asked["target"])
    if asked["base_url"]:
        translator._base_url = asked["base_url"]  # noqa: SLF001 # the library takes no address
    for text in asked["texts"]:
        try:
            said = {"text": translator.translate(text) or ""}
        except Exception as error:  # the library and requests raise many kinds; the parent says which one it was
            # Their messages may hold the address asked for, and in it the text.
            said = {"error": type(error).__name__}
        print(json.dumps(said), flush=True)
        if "error" in said:
            return


if __name__ == "__main__":
    main()
