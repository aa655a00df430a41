"""Methods: how a distilled set comes to be, as a composition of parts that are independent and optional."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from retort.base.grammar import Count, Name, Strict
from retort.config.schema.imported import Imported
from retort.parts.guides import Guide, SetGuide
from retort.parts.part import Part, parts_in
from retort.parts.resolve import any_of, listed, ours

_START = "noise, {inversion: NAME, ...}, or {discovery: NAME, strength: ...}"
_SAMPLER = f"{listed('samplers')}, or a table with its kind and keys, such as {{kind: ddim, eta: 0.5}}"
_GUIDE = f"{{discovery: NAME, ...}}, {listed('guides')}, or a table with its kind and keys"
_SELECT = (
    "random, all, {teacher: NAME, keep: ...}, "
    f"{{coverage: {' | '.join(ours('coverages'))}, encoder | teacher: NAME}}, {{discovery: NAME}}, "
    "{score: KIND, dynamics: NAME, keep: ...} or {subgroups: G, teacher: NAME, ...}"
)

_ONE_GUIDE = any_of("guides", _GUIDE)
_GUIDES = Annotated[
    Annotated[_ONE_GUIDE, Tag("<one>")] | Annotated[list[_ONE_GUIDE], Field(min_length=1), Tag("<several>")],
    Discriminator(lambda found: "<several>" if isinstance(found, list) else "<one>"),
]


class Generate(Strict):
    """Images are sampled from a diffusion model with classifier-free guidance."""

    model: Name = Field(description="Images are sampled from this diffusion model.")
    start: any_of("starts", _START) = Field(
        "noise", validate_default=True, description=f"Sampling starts from this: {_START}."
    )
    sampler: any_of("samplers", _SAMPLER) = Field(
        "ddim",
        validate_default=True,
        description=f"This sampler is used: {_SAMPLER}.",
    )
    guidance: float = Field(
        4.0, ge=0, description="This is the classifier-free guidance (CFG); 1 is the plain conditional model."
    )
    guided_channels: Count | None = Field(
        None,
        description="CFG acts on this many of the latent's channels, the first ones, and the others are the "
        "conditional model's; by default it acts on all. The code of the original DiT, and so MGD3's, has 3 of 4.",
    )
    steps: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Sampling has this many steps, by default 50, or 25 for dpm++; after an inversion it has that "
        "grid.",
    )
    guide: _GUIDES | None = Field(
        None,
        description="This draws samples somewhere, such as towards what a discovery finds, or the images of a class "
        f"apart: {_GUIDE}. A list of guides does what all of them do.",
    )
    pool: Count = Field(
        1, description="This many times the images per class are sampled, of which select chooses the images per class."
    )

    @property
    def guides(self) -> list[Guide]:
        """Its guides, however many the config gives."""
        found: Any = self.guide
        return list(found) if isinstance(found, list) else [found] if found else []


class Method(Imported):
    """A method makes a distilled set by sampling (generate), by choosing (select) or from patches (compose), or takes
    one that was made elsewhere (images)."""

    generate: Generate | None = Field(None, description="This table says how images are sampled from a model.")
    select: any_of("selections", _SELECT) | None = Field(
        None,
        description=f"Images are chosen in this way: {_SELECT}. With generate they are taken from the pool, without it "
        "from the real images. Random is the baseline, all is the upper bound.",
    )
    refine: any_of("refinements", "a table of its settings") | None = Field(
        None, description="This table says how the latents of generated and kept images are optimised."
    )
    compose: any_of("compositions", "a table of its settings") | None = Field(
        None, description="This table says how images are put together from real patches."
    )
    side: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="The set's images are kept at this side in pixels, of which views crop the data set's resolution; "
        "by default it is that resolution. CaO2, CoDA and the papers' unguided DiT keep 256 and crop 224.",
    )
    fit: Literal["crop", "squash"] = Field(
        "crop",
        description="A real image that is selected, or an imported one, becomes square in this way: crop keeps the "
        "centre; squash resizes the whole image and loses its aspect ratio, as CoDA does to its representatives.",
    )
    seed: int = Field(
        0,
        ge=0,
        description="Another seed makes another set by the same method: noise, groups, random images and crops are "
        "drawn from it and from the global seed. Models, inversions, discoveries and typicalities stay as they are, as "
        "all methods share them.",
    )
    paper: Name | None = Field(
        None,
        description="The published numbers of this method may stand beside this one's, where no setting contradicts "
        "the paper's. By default it is the method's own name.",
    )

    def parts(self) -> Iterator[tuple[str, str, Part]]:
        """(dotted place of the table that holds it, its key there, the part) of all its parts; see `parts_in`."""
        if self.generate:
            yield from parts_in(self.generate, "generate")
        yield from parts_in(self)

    def draws(self) -> bool:
        """Whether anything of its set is drawn at random, so that another seed makes another set."""
        return bool(self.generate or any(part.seeded for _, _, part in self.parts()))

    def is_everything(self) -> bool:
        """Whether its set is the whole training set."""
        return bool(self.select and self.select.takes_all)

    @model_validator(mode="after")
    def _fits_together(self):
        if reasons := misfits(self):
            raise PydanticCustomError("composition", "{reasons}", {"reasons": "; and ".join(reasons)})
        return self


def misfits(method: Method) -> list[str]:
    """Why the parts of a method do not go together; nothing when they do."""
    generate, select, refine, compose = method.generate, method.select, method.refine, method.compose
    if method.images:
        return _misfits_of_import(method)
    found = _unread_of_import(method)
    if not (generate or select or compose):
        found.append("give generate, select, compose or images; found none of them")
    if compose and (generate or select or refine):
        found.append(
            "compose cuts patches from real images, so there is no sample to generate or refine and no pool to select "
            "from; leave the others out"
        )
    elif refine and not generate:
        found.append("refine moves the latents of generated images, but nothing is generated; add generate")
    elif generate and generate.pool > 1 and not select:
        found.append(f"generate.pool is {generate.pool}, but nothing chooses from the pool; add select")
    found += _misfits_of_guides(generate.guides) if generate else []
    found += [reason for _, _, part in method.parts() for reason in part.clashes(method)]
    return found + _misfits_of_fit(method) + _misfits_of_seed(method)


def _misfits_of_import(method: Method) -> list[str]:
    """The images are there already, so no other part of a method has anything to do."""
    parts = [part for part in ("generate", "select", "refine", "compose") if getattr(method, part)]
    if not parts:
        return _misfits_of_seed(method)
    return [
        f"images takes a set that was made elsewhere as it is, so there is nothing to {' or '.join(parts)}; leave "
        f"{' and '.join(parts)} out, or images"
    ]


def _unread_of_import(method: Method) -> list[str]:
    given = [key for key in Imported.model_fields if getattr(method, key) is not None]
    if not given:
        return []
    verb = "says" if len(given) == 1 else "say"
    return [
        f"{', '.join(given)} {verb} something of a set that was made elsewhere, and there is none; give images, or "
        f"leave {'it' if len(given) == 1 else 'them'} out"
    ]


def _misfits_of_guides(guides: list[Guide]) -> list[str]:
    """What several guides must have in common."""
    named = dict.fromkeys(name for guide in guides for name in guide.all_named("discoveries"))
    sets = dict.fromkeys(guide.together for guide in guides if isinstance(guide, SetGuide))
    found = []
    if len(named) > 1:
        found.append(
            f"generate.guide names the discoveries {' and '.join(named)}, and an image has one representative; name "
            "one discovery in all guides"
        )
    if len(sets) > 1:
        found.append(
            "the guides of generate.guide have sets of different sizes (together), and images are sampled in one kind "
            "of set; give them the same"
        )
    return found


def _misfits_of_fit(method: Method) -> list[str]:
    made = method.generate or method.compose or method.is_everything()
    if method.fit == "squash" and made:
        return [
            "fit: squash is how a selection of real images makes them square, and nothing is selected here but by what "
            "is generated, composed or decoded; leave fit out"
        ]
    return []


def _misfits_of_seed(method: Method) -> list[str]:
    if method.seed and not method.draws():
        return ["seed: nothing of this method is drawn at random, so every seed makes the same set; leave seed out"]
    return []
