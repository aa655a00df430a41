"""Under which terms data sets are given out: as known of some kinds, or as a folder of images states."""

import re
from dataclasses import dataclass

from retort.data.hub import licence_of


@dataclass(frozen=True)
class Terms:
    """licence: an id of the hub, or a name of its own that begins no id; link: where it is written, if it has no id."""

    licence: str
    words: str
    link: str | None = None


_IMAGENET = ("imagenet-terms-of-access", "https://www.image-net.org/download.php")
KNOWN = {
    "digits": Terms("cc-by-4.0", "scikit-learn's handwritten digits (UCI, Alpaydin and Kaynak 1998; CC BY 4.0)"),
    "fashion-mnist": Terms("mit", "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017; MIT licence, (c) 2017 Zalando SE)"),
    "imagenet": Terms(
        _IMAGENET[0],
        "ImageNet (ILSVRC 2012); its terms allow research and education that is not commercial",
        _IMAGENET[1],
    ),
    "tiny-imagenet": Terms(
        _IMAGENET[0],
        "cut from ImageNet; its terms allow research and education that is not commercial",
        _IMAGENET[1],
    ),
}
HUB_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def data_licence(data: dict) -> str | None:
    """Of a data set's part of the config: what is known of its kind, or what the card in its folder names."""
    if data["kind"] in KNOWN:
        return KNOWN[data["kind"]].licence
    return licence_of(data["path"]) if "path" in data else None


def terms_of_set(provenance: dict) -> tuple[str | None, str | None]:
    """(kind of data set, licence) under whose terms a set is given out, from its provenance.json.

    They are those of the data that it was made from. Of a set that was made elsewhere they are what the config states.
    """
    if "imported" in provenance:
        return None, provenance["settings"].get("licence")
    return provenance["data"]["kind"], provenance["data_licence"]


def hub_keys(kind: str | None, licence: str | None) -> dict[str, str]:
    """A licence in the front matter of a card of the hub; nothing for one that is not known."""
    if licence is None:
        return {}
    terms = KNOWN.get(kind)
    if terms and terms.link:
        return {"license": "other", "license_name": terms.licence, "license_link": terms.link}
    if HUB_ID.fullmatch(licence):
        return {"license": licence}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")}
