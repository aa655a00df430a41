"""Look-ups of discovery.smk: what is searched, and how."""


def discovery_latents(wildcards):
    """The shard's latents, by the encoder of the discovery."""
    encoder = plan.config.discoveries[wildcards.discovery].encoder
    return path_of(rules.encode_latents.output.latents, encoder=encoder, shard=wildcards.shard)


def umap_settings(wildcards):
    return plan.config.discoveries[wildcards.discovery].umap.model_dump()


def hdbscan_settings(wildcards):
    return plan.config.discoveries[wildcards.discovery].hdbscan.model_dump()


def shared_embedding(wildcards):
    """The embedding, shared with every discovery that embeds alike."""
    owner = plan.embedding_owner(wildcards.discovery)
    return path_of(rules.embed_classes.output.embedding, discovery=owner, shard=wildcards.shard)


def representatives_of(method, number, shard):
    """The representatives that guide a method, or are its images."""
    of_shard = {"discovery": plan.discovery_of(method), "number": number, "shard": shard}
    return path_of(rules.choose_representatives.output.representatives, **of_shard)
