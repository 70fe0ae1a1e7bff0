"""Configurations of the small checkpoints. Data only; tiny_checkpoint.py builds them.

The checkpoints differ wherever published or fine-tuned checkpoints may differ, so that a program that
assumes a size, a name or a type fails on one of them.
"""

# A small version of the published SDXL: names, types, folder layout and options of the published fp16 files.
FP16_PUBLISHED = {
    "file_dtype": "float16",
    "variant": "fp16",
    "text_model_prefix": True,
    # Files written before transformers 4.31 contain this buffer; loaders ignore it.
    "position_ids": True,
    "eos_token_id": 2,
    "end_is_last": True,
    "merges": 90,
    "force_zeros_for_empty_prompt": True,
    "adapter_file": "ip-adapter.bin",
    "minimal_configs": False,
    "text_encoder": {"hidden_size": 24, "heads": 2, "layers": 2, "hidden_act": "quick_gelu"},
    "text_encoder_2": {"hidden_size": 40, "heads": 4, "layers": 3, "hidden_act": "gelu", "projection_dim": 48},
    "unet": {
        "sample_size": 16,
        "block_out_channels": [32, 32, 48],
        "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 1, 2],
        "attention_head_dim": [2, 4, 8],
        "norm_num_groups": 8,
        "use_linear_projection": True,
        "addition_time_embed_dim": 16,
    },
    "identitynet": {"conditioning_embedding_out_channels": [8, 16, 24, 32]},
    "vae": {
        "block_out_channels": [16, 32, 32, 32],
        "layers_per_block": 2,
        "norm_num_groups": 8,
        "sample_size": 128,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    },
    "resampler": {"width": 48, "depth": 4, "heads": 2, "queries": 16},
    "scheduler": {"timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "epsilon"},
    "gains": {"latent": 0.005, "picture": 0.5},
    "seed": 101,
}

# Two levels with transformers on both, single numbers instead of lists in the configs, shards, bf16.
BF16_SHARDS = {
    "file_dtype": "bfloat16",
    "variant": None,
    "shard_bytes": 900_000,
    "text_model_prefix": False,
    "position_ids": False,
    "eos_token_id": "real",
    "end_is_last": True,
    "merges": 140,
    "force_zeros_for_empty_prompt": False,
    "adapter_file": "ip-adapter.safetensors",
    "minimal_configs": False,
    "text_encoder": {"hidden_size": 16, "heads": 1, "layers": 3, "hidden_act": "quick_gelu"},
    "text_encoder_2": {"hidden_size": 32, "heads": 2, "layers": 2, "hidden_act": "gelu", "projection_dim": 32},
    "unet": {
        "sample_size": 12,
        "block_out_channels": [64, 64],
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "transformer_layers_per_block": 1,
        "attention_head_dim": 4,
        "norm_num_groups": 32,
        "use_linear_projection": True,
        "addition_time_embed_dim": 8,
    },
    "identitynet": {"conditioning_embedding_out_channels": [8, 12, 24, 16]},
    "vae": {
        "block_out_channels": [16, 16, 32, 32],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 96,
        "scaling_factor": 0.13025,
        "force_upcast": False,
    },
    "resampler": {"width": 64, "depth": 2, "heads": 3, "queries": 4},
    "scheduler": {"timestep_spacing": "trailing", "steps_offset": 0, "prediction_type": "epsilon"},
    "gains": {"latent": 0.005, "picture": 0.5},
    "seed": 202,
}

# Convolutions around the transformers, velocity prediction, an end token that is not the highest id, and
# configs without the keys that have diffusers' default.
FP32_CONVOLUTIONS = {
    "file_dtype": "float32",
    "variant": None,
    "text_model_prefix": True,
    "position_ids": False,
    "eos_token_id": "real",
    "end_is_last": False,
    "merges": 60,
    "force_zeros_for_empty_prompt": True,
    "adapter_file": "ip-adapter.bin",
    "minimal_configs": True,
    "text_encoder": {"hidden_size": 24, "heads": 3, "layers": 2, "hidden_act": "gelu"},
    "text_encoder_2": {"hidden_size": 16, "heads": 2, "layers": 2, "hidden_act": "quick_gelu", "projection_dim": 24},
    "unet": {
        "sample_size": 16,
        "block_out_channels": [24, 32, 40],
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
        "transformer_layers_per_block": [2, 1, 1],
        "attention_head_dim": [2, 4, 5],
        "norm_num_groups": 4,
        "use_linear_projection": False,
        "addition_time_embed_dim": 12,
    },
    "identitynet": {"conditioning_embedding_out_channels": [8, 12, 16, 20]},
    "vae": {
        "block_out_channels": [16, 16, 24, 24],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "sample_size": 128,
        "scaling_factor": 0.18215,
        "force_upcast": True,
    },
    "resampler": {"width": 48, "depth": 3, "heads": 1, "queries": 8},
    "scheduler": {"timestep_spacing": "linspace", "steps_offset": 0, "prediction_type": "v_prediction"},
    "gains": {"latent": 0.15, "picture": 0.5},
    "seed": 303,
}  # fmt: skip

# A single file that can be read without configs: groups of 32 and heads of 64, as in SDXL. A level
# without transformers has its upsampler where others have transformers. tools/oracle/single_file.py.
SINGLE_FILE = {
    "eos_token_id": 2,
    "end_is_last": True,
    "merges": 60,
    "text_encoder": {"hidden_size": 64, "heads": 1, "layers": 2, "hidden_act": "quick_gelu"},
    "text_encoder_2": {"hidden_size": 64, "heads": 1, "layers": 3, "hidden_act": "gelu", "projection_dim": 96},
    "unet": {
        "sample_size": 16,
        "block_out_channels": [32, 32, 64],
        "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
        "transformer_layers_per_block": [1, 1, 2],
        "attention_head_dim": [1, 1, 1],
        "norm_num_groups": 32,
        "use_linear_projection": True,
        "addition_time_embed_dim": 16,
    },
    "identitynet": {"conditioning_embedding_out_channels": [8, 16, 24, 32]},
    "vae": {
        "block_out_channels": [32, 32, 32, 32],
        "layers_per_block": 1,
        "norm_num_groups": 32,
        "sample_size": 128,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    },
    "resampler": {"width": 64, "depth": 1, "heads": 1, "queries": 4},
    "scheduler": {"timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "epsilon"},
    "gains": {"latent": 0.005, "picture": 0.5},
    "seed": 404,
}  # fmt: skip

CONFIGS = {
    "fp16_published": FP16_PUBLISHED,
    "bf16_shards": BF16_SHARDS,
    "fp32_convolutions": FP32_CONVOLUTIONS,
}
