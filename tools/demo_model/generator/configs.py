"""The sizes of all parts, and paths. Data only."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WORK = Path(os.environ.get("DEMO_MODEL_WORK", "/tmp/demo_model/generator"))
PRODUCT = ROOT / "models" / "demo"

CONTEXT = 77  # tokens per text
MERGES = 860  # learnt byte pairs: nearly every word of the captions is one token
EMBEDDING_WIDTH = 512  # of the recogniser

TEXT_ENCODER = {"hidden_size": 64, "heads": 4, "layers": 3, "hidden_act": "quick_gelu"}
TEXT_ENCODER_2 = {
    "hidden_size": 128, "heads": 4, "layers": 3, "hidden_act": "gelu", "projection_dim": 128,
}  # fmt: skip
CROSS_WIDTH = TEXT_ENCODER["hidden_size"] + TEXT_ENCODER_2["hidden_size"]

UNET = {
    "sample_size": 32,
    "block_out_channels": [64, 64, 96],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 1, 1],
    "attention_head_dim": [4, 4, 6],  # numbers of heads, as in the published config
    "norm_num_groups": 16,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": TEXT_ENCODER_2["projection_dim"] + 6 * 32,
    "cross_attention_dim": CROSS_WIDTH,
}
IDENTITYNET = {"conditioning_embedding_out_channels": [16, 24, 32, 48]}
RESAMPLER = {"width": 96, "depth": 4, "heads": 2, "queries": 16}
VAE = {
    "block_out_channels": [16, 40, 96, 120],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "latent_channels": 4,
    "sample_size": 256,
    "force_upcast": False,
}
GUIDANCE = 3.0  # at the published demo's 5, faces are overdrawn and less alike
SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
