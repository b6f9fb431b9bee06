"""Hard negatives of any captions: texts that differ from a caption by a word or by its order, and say something else.

After SugarCrepe's kinds (Hsieh et al. 2023), by rule and without a language model: the words come from the captions themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from concord.perturbations.lexicon import CATEGORY, PHRASE_OR_WORD, WORD
from concord.perturbations.opposites import OPPOSITES, alike
from concord.perturbations.phrases import ATTRIBUTES, is_attribute, is_indefinite, is_plural, things
from concord.perturbations.shuffle import changed, shuffle_words
from concord.perturbations.spelling import Span, with_article, with_capital_of
from concord.perturbations.swap import swap_words

Negative = Callable[[str, frozenset[str], Random], str | None]
"""From a caption, the words of all captions of its image, and random numbers to a wrong caption."""

_TRIES = 10
_END = " .!?\n"


class HardNegatives:
    """Makes wrong captions of the kinds in `KINDS`.

    - swap: two of its words change places, see `swap_words`.
    - replace_object, replace_attribute, replace_number: a noun, a word that describes (colour, size, ...) or a number gives way
      to another one of its category that the captions hold; the more often they hold it, the likelier, so that rare words
      betray nothing.
    - replace_relation: "left" for "right", "above" for "below", and the like.
    - add_object, add_attribute: a thing more, or a word before a thing. These are longer than the caption: whoever prefers short
      texts solves them.
    - shuffle: all words in another order.

    What comes in stands in no caption of the image. That is no proof that it is not in the picture: read a sample.

    Args:
        captions: what the words are learned from.
    """

    def __init__(self, captions: Iterable[str]) -> None:
        self.nouns: Counter[str] = Counter()
        self.words: dict[str, Counter[str]] = {category: Counter() for category in (*ATTRIBUTES, "number")}
        for caption in captions:
            self._learn(caption.lower())
        self._makers: dict[str, Negative] = {
            "swap": lambda caption, _, rng: swap_words(caption, rng),
            "replace_object": self._replace_object,
            "replace_attribute": lambda *given: self._replace_word(ATTRIBUTES, *given),
            "replace_number": lambda *given: self._replace_word(("number",), *given),
            "replace_relation": self._replace_relation,
            "add_object": self._add_object,
            "add_attribute": self._add_attribute,
            "shuffle": lambda caption, _, rng: changed(shuffle_words, caption, rng),
        }

    def draw(self, captions: Sequence[str], kinds: Sequence[str], rng: Random) -> dict[str, str]:
        """Wrong captions by kind, to stand against the first of an image's captions; kinds that cannot be made of it are missing.

        None has the words of a caption of the image in their order.
        """
        known = {_plain(caption) for caption in captions}
        present = frozenset(word for caption in captions for word in WORD.findall(caption.lower()))
        found = {}
        for kind in kinds:
            for _ in range(_TRIES):
                text = self._makers[kind](captions[0], present, rng)
                if text is not None and _plain(text) not in known:
                    found[kind] = text
                    break
        return found

    def _learn(self, caption: str) -> None:
        for words in things(caption):
            if is_indefinite(caption, words[0]):  # others may be in the plural, or end with a verb
                self.nouns[caption[slice(*words[-1])]] += 1
        for word in PHRASE_OR_WORD.findall(caption):
            if (category := CATEGORY.get(word)) in self.words:
                self.words[category][word] += 1

    def _replace_object(self, caption: str, present: frozenset[str], rng: Random) -> str | None:
        lower = _lower(caption)
        places = [words[-1] for words in things(lower) if not is_plural(lower[slice(*words[-1])])]
        return self._replaced(caption, places, self._nouns_like, present, rng)

    def _nouns_like(self, noun: str) -> Counter[str]:
        """The nouns of the same category: persons for a person, animals for an animal."""
        return Counter({word: count for word, count in self.nouns.items() if CATEGORY.get(word) == CATEGORY.get(noun)})

    def _replace_word(self, categories: Sequence[str], caption: str, present: frozenset[str], rng: Random) -> str | None:
        lower = _lower(caption)
        # "one" is as often a pronoun, and what it counts stands in the singular.
        places = [match.span() for match in PHRASE_OR_WORD.finditer(lower) if CATEGORY.get(match[0]) in categories and match[0] != "one"]
        return self._replaced(caption, places, lambda word: self.words[CATEGORY[word]], present | {"one"}, rng)

    def _replaced(
        self, caption: str, places: Sequence[Span], words: Callable[[str], Counter[str]], present: frozenset[str], rng: Random
    ) -> str | None:
        """The caption with one of the words at these places replaced; None where there is none, or none to take its place."""
        for place in rng.sample(places, len(places)):
            old = _lower(caption)[slice(*place)]
            if (new := _drawn(words(old), present, rng, old)) is not None:
                return _put(caption, place, new)
        return None

    def _replace_relation(self, caption: str, present: frozenset[str], rng: Random) -> str | None:
        lower = _lower(caption)
        places = [match.span() for match in PHRASE_OR_WORD.finditer(lower) if match[0] in OPPOSITES]
        if not places:
            return None
        place = rng.choice(places)
        return _put(caption, place, OPPOSITES[lower[slice(*place)]])

    def _add_object(self, caption: str, present: frozenset[str], rng: Random) -> str | None:
        noun = _drawn(self.nouns, present, rng)
        body = caption.rstrip(_END)
        return None if noun is None or not body else f"{with_article(f'{body} and a ', noun)}{noun}{caption[len(body) :]}"

    def _add_attribute(self, caption: str, present: frozenset[str], rng: Random) -> str | None:
        lower = _lower(caption)
        bare = [words for words in things(lower) if not any(is_attribute(lower[slice(*word)]) for word in words)]
        categories = [category for category in ("colour", "size", "surface") if self.words[category]]
        if not bare or not categories:
            return None
        start = rng.choice(bare)[0][0]
        word = _drawn(self.words[rng.choice(categories)], present, rng)
        return None if word is None else f"{with_article(caption[:start], word)}{word} {caption[start:]}"


KINDS = ("swap", "replace_object", "replace_attribute", "replace_number", "replace_relation", "add_object", "add_attribute", "shuffle")


def _drawn(words: Counter[str], present: frozenset[str], rng: Random, old: str = "") -> str | None:
    """One of the words, by their counts; none that is present, or means nearly the same as the old one."""
    candidates = sorted(word for word in words if word not in present and not alike(word, old))
    return rng.choices(candidates, [words[word] for word in candidates])[0] if candidates else None


def _put(caption: str, place: Span, word: str) -> str:
    old = caption[slice(*place)]
    new = with_capital_of(old, word)
    return with_article(caption[: place[0]], new) + new + caption[place[1] :]


def _plain(text: str) -> str:
    return " ".join(_words(text))


def _words(text: str) -> Iterator[str]:
    return (match[0] for match in WORD.finditer(text.casefold()))


def _lower(caption: str) -> str:
    """In small letters, unless that would shift the places: some capitals of other scripts become two letters."""
    lower = caption.lower()
    return lower if len(lower) == len(caption) else caption
