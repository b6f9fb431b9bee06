"""Words that can stand in each other's place, and words that say little by themselves."""

from __future__ import annotations

import re

WORD = re.compile(r"\w+(?:['’-]\w+)*")
"""A word, with its apostrophes and hyphens."""


CATEGORIES: dict[str, str] = {
    "colour": "red orange yellow green cyan blue purple pink brown black white grey gray beige gold golden silver violet magenta "
    "turquoise navy maroon teal olive tan",
    "size": "small large big tiny huge little tall short long wide narrow thick thin giant medium",
    "shade": "dark light pale bright",
    "surface": "solid striped dotted checkered plain spotted wooden metal metallic glass plastic stone brick leather paper "
    "rubber fabric shiny matte furry fluffy smooth rough wet dry",
    "shape": "circle square triangle star cross ring heart crescent rectangle oval diamond hexagon pentagon sphere cube "
    "cylinder cone round circular rectangular triangular",
    "relation": "to the left of|to the right of|on the left of|on the right of|left of|right of|above|below|under|over|beneath|"
    "underneath|on top of|in front of|behind|inside|outside|to its left|to its right|above it|below it",
    "side": "left right upper lower top bottom front back anterior posterior medial lateral superior inferior bilateral",
    "degree": "mild moderate severe minimal marked slight extensive acute chronic normal abnormal",
    "number": "one two three four five six seven eight nine ten",
    "person": "man woman boy girl child person baby lady guy",
    "animal": "cat dog horse cow sheep bird elephant bear zebra giraffe lion tiger rabbit fish duck",
}
"""Words that can stand in each other's place. Phrases are joined with "|", single words with spaces."""

CATEGORY = {word: category for category, words in CATEGORIES.items() for word in words.split("|" if "|" in words else " ")}
"""The category of each word or phrase."""

PHRASE_OR_WORD = re.compile(r"\b(?:" + "|".join(CATEGORIES["relation"].split("|")) + r")\b|\w+")
"""A phrase of place, or else a word."""

_STOP_TEXT = (
    "a an the this that these those some any no not and or but nor so if then than as of in on at by to from for with without "
    "into onto off up down out over under above below between through during before after about against near next beside "
    "behind is are was were be been being am has have had having do does did doing can could will would shall should may "
    "might must it its he his she her hers they their them there here who whom whose which what when where why how i you we "
    "me my your our us him also very both each other another same such one two picture photo image showing shows seen while"
)
STOP_WORDS = frozenset(_STOP_TEXT.split())
ARTICLES = frozenset(("a", "an", "the"))
