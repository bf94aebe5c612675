"""Whether a request names a thing, in the words people use for it."""

from __future__ import annotations

import re

#: What people say for labels that they seldom use themselves.
OTHER_WORDS: dict[str, str] = {
    "person": (
        "people|persons?|man|men|woman|women|child|children|kids?|boys?|girls?|guys?|lady|ladies|baby|babies|adults?"
        "|humans?|pedestrians?|players?|faces?|crowd|everyone|everybody|anyone|anybody|someone|somebody|who|me|myself"
        "|him|her|friends?|team|family|persona|personas|gente|personnes?|gens|leute|menschen|personen"
    ),
    "car": "cars?|vehicles?|traffic|automobiles?",
    "airplane": "air ?planes?|planes?|aircraft|jets?",
    "motorcycle": "motor ?(?:cycles?|bikes?)",
    "bicycle": "bicycles?|bikes?|cycles?",
    "cell phone": "(?:cell|mobile|smart)? ?phones?|mobiles?",
    "tv": "tvs?|televisions?|screens?|monitors?",
    "couch": "couch(?:es)?|sofas?",
    "dining table": "tables?|desks?",
    "potted plant": "plants?|flowers?|flowerpots?",
    "laptop": "laptops?|computers?|notebooks?",
    "dog": "dogs?|pupp(?:y|ies)",
    "cat": "cats?|kittens?|kitt(?:y|ies)",
    "sheep": "sheep|lambs?",
    "bird": "birds?|ducks?|geese|chickens?|seagulls?|parrots?",
    "mouse": "mouse|mice",
    "sports ball": "balls?|footballs?|basketballs?|soccer",
    "wine glass": "(?:wine )?glass(?:es)?",
    "knife": "knife|knives",
}


def is_named(thing: str, said: str) -> bool:
    """``person`` is named in "how many women are there", and not in "which objects are there"."""
    name = thing.lower().strip()
    words = OTHER_WORDS.get(name) or rf"{re.escape(name)}(?:e?s)?"
    return re.search(rf"\b(?:{words})\b", said.lower()) is not None


def spaced_words(text: str) -> str:
    """A text's words in lower case with blanks around, so that ``in`` tells whether one text's stand in another's."""
    words = re.findall(r"\w+", text.lower())
    return f" {' '.join(words)} "
