"""The nouns (`dacha image …`), one file each, described as the box verbs are in `fast.verbs`.

Apart from those, so that a warm `enter` does not make them.
"""

from __future__ import annotations

from dacha.cli.nouns import image, manifest, system, volume

NOUNS = {
    "image": (image.SUMMARY, {verb.name: verb for verb in image.VERBS}),
    "manifest": (manifest.SUMMARY, {verb.name: verb for verb in manifest.VERBS}),
    "system": (system.SUMMARY, {verb.name: verb for verb in system.VERBS}),
    "volume": (volume.SUMMARY, {verb.name: verb for verb in volume.VERBS}),
}
