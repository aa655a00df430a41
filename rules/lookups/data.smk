"""Look-ups of data.smk: where real images come from."""


def exported_images(wildcards):
    """The images that the workflow writes out itself; a folder of the user's is a parameter, not an input."""
    return {"images": DATA / "images"} if plan.dataset.kind == "digits" else {}
