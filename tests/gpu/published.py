"""The config files of the published models, as their repositories on the hub have them, and smaller ones of one form.

Sizes: "full" is the published model; "few" has few layers of its widths, half of them in UNets, which would still fill
gigabytes; "tiny" is narrow everywhere, for small images.
Every size keeps the CLIP vocabulary of 49,408 tokens, the 1,000 classes, the schedules, and the VAE's eightfold shrink.
"""

from dataclasses import dataclass

from retort.data.imagenet import subset_classes

VOCABULARY = 49_408
TRAINED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
STEPS = {"clip_sample": False, "prediction_type": "epsilon", "trained_betas": None}
SCHEDULERS = {
    "dit": {"_class_name": "DDIMScheduler", "_diffusers_version": "0.12.0.dev0"}
    | {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear", "num_train_timesteps": 1000}
    | STEPS
    | {"set_alpha_to_one": True, "steps_offset": 0},
    "sd": {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0"}
    | TRAINED
    | {"clip_sample": False, "trained_betas": None}
    | {"set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1},
    "sdxl": {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0"}
    | TRAINED
    | STEPS
    | {"interpolation_type": "linear", "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True}
    | {"steps_offset": 1, "timestep_spacing": "leading", "use_karras_sigmas": False},
}

DIT = {
    "_class_name": "Transformer2DModel",
    "_diffusers_version": "0.12.0.dev0",
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_head_dim": 72,
    "cross_attention_dim": None,
    "dropout": 0.0,
    "in_channels": 4,
    "norm_elementwise_affine": False,
    "norm_num_groups": 32,
    "norm_type": "ada_norm_zero",
    "num_attention_heads": 16,
    "num_embeds_ada_norm": 1000,
    "num_layers": 28,
    "num_vector_embeds": None,
    "only_cross_attention": False,
    "out_channels": 8,
    "patch_size": 2,
    "sample_size": 32,
    "upcast_attention": False,
    "use_linear_projection": False,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 256,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
FIXED_VAE = VAE | {"force_upcast": False, "sample_size": 512, "scaling_factor": 0.13025}
UNET = {
    "_class_name": "UNet2DConditionModel",
    "act_fn": "silu",
    "center_input_sample": False,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
}
SD = UNET | {
    "_diffusers_version": "0.6.0",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}
WITH_SIZES = UNET | {
    "_diffusers_version": "0.19.0.dev0",
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "sample_size": 128,
    "upcast_attention": None,
    "use_linear_projection": True,
}
SDXL = WITH_SIZES | {
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "projection_class_embeddings_input_dim": 2816,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}
REFINER = WITH_SIZES | {
    "attention_head_dim": [6, 12, 24, 24],
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "projection_class_embeddings_input_dim": 2560,
    "transformer_layers_per_block": 4,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}
CLIP = {"model_type": "clip_text_model", "vocab_size": VOCABULARY, "max_position_embeddings": 77}
CLIP |= {"layer_norm_eps": 1e-05, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
CLIP_L = CLIP | {
    "architectures": ["CLIPTextModel"],
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
}
CLIP_G = CLIP | {
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_act": "gelu",
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
}


@dataclass(frozen=True)
class Repository:
    """What a repository of the hub holds: network's folder -> its config, and how their weights are stored.

    kind: key of `retort.models.contents.NEEDED` of the whole. index: model_index.json. tokenizers: folder -> the token
    that pads. dtype: of the weights. pickled: weights are there as .bin alone. old_names: the attention of its VAE has
    the names of 2022.
    """

    kind: str
    networks: dict[str, dict]
    index: dict | None = None
    tokenizers: dict[str, str] | None = None
    dtype: str = "float32"
    pickled: bool = False
    old_names: bool = False


def repositories(size: str) -> dict[str, Repository]:
    """The repositories that configs/imagenet1k.yaml names, by their names on the hub, in one of the sizes above."""
    ids = {str(label): class_id for label, class_id in enumerate(subset_classes("imagenet1k"))}
    clip = {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}
    published = {
        "facebook/DiT-XL-2-256": Repository(
            "dit",
            {"transformer": DIT, "vae": VAE},
            {"_class_name": "DiTPipeline", "id2label": ids},
            pickled=True,
            old_names=True,
        ),
        "madebyollin/sdxl-vae-fp16-fix": Repository("vae", {"": FIXED_VAE}),
        "stabilityai/stable-diffusion-xl-base-1.0": Repository(
            "sdxl",
            {"unet": SDXL, "text_encoder": CLIP_L, "text_encoder_2": CLIP_G},
            {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True},
            clip,
            "float16",
        ),
        "stabilityai/stable-diffusion-xl-refiner-1.0": Repository(
            "sdxl-refiner",
            {"unet": REFINER, "text_encoder_2": CLIP_G},
            {
                "_class_name": "StableDiffusionXLImg2ImgPipeline",
                "force_zeros_for_empty_prompt": False,
                "requires_aesthetics_score": True,
            },
            {"tokenizer_2": "!"},
            "float16",
        ),
        "stable-diffusion-v1-5/stable-diffusion-v1-5": Repository(
            "sd",
            {"unet": SD, "text_encoder": CLIP_L, "vae": VAE | {"sample_size": 512}},
            {"_class_name": "StableDiffusionPipeline"},
            {"tokenizer": "<|endoftext|>"},
            old_names=True,
        ),
    }
    return {name: _sized(repository, size) for name, repository in published.items()}


def latent_sides(size: str) -> dict[str, int]:
    """Side of the latents that each kind of model works on."""
    return dict.fromkeys(("dit", "sd", "sdxl"), 8) if size == "tiny" else {"dit": 32, "sd": 64, "sdxl": 128}


def _sized(repository: Repository, size: str) -> Repository:
    if size == "full":
        return repository
    networks = {part: _fewer(config) for part, config in repository.networks.items()}
    if size == "tiny":
        networks = {part: _narrower(config) for part, config in networks.items()}
        widths = [config["hidden_size"] for part, config in networks.items() if part.startswith("text_encoder")]
        if "unet" in networks:
            networks["unet"] = _told_by(networks["unet"], sum(widths), networks.get("text_encoder_2"))
    return Repository(**vars(repository) | {"networks": networks})


def _fewer(config: dict) -> dict:
    """Few layers of the published widths; a UNet, of half of them."""
    if "num_layers" in config:
        return config | {"num_layers": 2}
    if "num_hidden_layers" in config:
        return config | {"num_hidden_layers": 2}
    if "cross_attention_dim" not in config:
        return config | {"layers_per_block": 1}
    widths = [width // 2 for width in config["block_out_channels"]]
    layers = config.get("transformer_layers_per_block")
    shorter = {} if layers is None else {"transformer_layers_per_block": [1] * len(widths)}
    return config | {"layers_per_block": 1, "block_out_channels": widths} | shorter


def _narrower(config: dict) -> dict:
    if "num_layers" in config:
        return config | {"num_attention_heads": 2, "attention_head_dim": 8, "sample_size": 8}
    if "num_hidden_layers" in config:
        return config | {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "projection_dim": 16}
    widths = [32 * min(2**level, 4) for level in range(len(config["block_out_channels"]))]
    if "cross_attention_dim" not in config:
        return config | {"block_out_channels": [32] * len(widths)}
    heads = config["attention_head_dim"]
    heads = [width // 32 for width in widths] if isinstance(heads, list) else 2
    return config | {"block_out_channels": widths, "attention_head_dim": heads, "sample_size": 8}


def _told_by(unet: dict, width: int, projected: dict | None) -> dict:
    """The UNet that narrower text encoders fit, of `width` in all."""
    if projected is None:
        return unet | {"cross_attention_dim": width}
    embedded, sizes = 8, 6 if unet["cross_attention_dim"] == SDXL["cross_attention_dim"] else 5
    told = {"projection_class_embeddings_input_dim": sizes * embedded + projected["projection_dim"]}
    return unet | {"cross_attention_dim": width, "addition_time_embed_dim": embedded} | told
