"""How many training images of each class the wanted sets need, and whether a manifest that is there has them."""

from pathlib import Path

from retort.data.manifest import read_made_of, read_sizes
from retort.data.sizes import Need, as_word, refuse_small_classes
from retort.plan.plan import Plan


def needs_of(plan: Plan) -> list[Need]:
    """What each wanted method needs for its largest set, in the order of the config; then what is shared."""
    largest = {row["method"]: int(row["ipc"]) for row in plan.largest_sets()}
    found = [need for method in plan.wanted_methods if method in largest for need in _of(plan, method, largest[method])]
    inversions = dict.fromkeys(name for m in plan.wanted_methods if (name := plan.inversion_of(m)))
    found += [Need(f"inversions.{name}", 0, 2, 1, "variance") for name in inversions]
    quality = plan.config.quality
    if quality and "density-coverage" in quality.measures:
        found.append(Need("quality.neighbors", 0, quality.neighbors + 1, 1, "neighbors"))
    return found


def word_of_needs(plan: Plan) -> str:
    """The same as one word, the resource of the rule that counts the images."""
    return as_word(needs_of(plan))


def refuse_known_small(plan: Plan, manifest: Path) -> None:
    """Raises RetortError where it is known without looking at an image that classes are too small for some method.

    That is where `max_per_class` says so, and where the manifest counts the images that are there now. One of other
    images or settings is made again, and its rule compares then.
    """
    needs = needs_of(plan)
    if most := plan.dataset.max_per_class:
        refuse_small_classes({"each class": most}, needs, "dataset.max_per_class")
    sizes, counted_by = read_sizes(manifest)
    if counted_by != plan.counted_by():
        return
    small = {class_id: size for class_id, size in sizes.items() if any(size < need.images for need in needs)}
    if small and plan.contents_stamp() in (None, read_made_of(manifest).get("data")):  # a stamp looks at every image
        refuse_small_classes(small, needs, f"counted in {manifest}")


def _of(plan: Plan, method: str, ipc: int) -> list[Need]:
    generate, compose = plan.generate_of(method), plan.compose_of(method)
    if compose:
        of = compose.score.most_of_an_image()
        return [Need(method, ipc, compose.grid**2, of, compose.score.unit)]
    guides = generate.guides if generate else []
    if generate and any(part.name_in("discoveries") for part in (generate.start, *guides)):
        return [Need(method, ipc, generate.pool, 1, "pool" if generate.pool > 1 else "set")]
    imported = method in plan.methods_that("import_set")
    return [] if generate or imported else [Need(method, ipc, 1, 1, "set")]
